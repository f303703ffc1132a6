"""All settings of a run under their flat names: estimator keywords and command-line options in one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import ConfigError
from textcnn.settings.config import (
    ARCHITECTURES,
    DCNNConfig,
    KimConfig,
    ModelConfig,
    TextConfig,
    TrainingConfig,
    to_json,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that governs a training run.

    Args:
        text: how texts are read.
        model: the network.
        training: how it is trained.
        vectors: file of word vectors, or None.
        vector_dimension: what that file's dimension must be; None takes it as it is.
        init_from: folder of a saved model to start from, or None.
    """

    text: TextConfig = field(default_factory=TextConfig)
    model: ModelConfig = field(default_factory=KimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    vectors: Path | None = None
    vector_dimension: int | None = None
    init_from: Path | None = None

    def identity(self) -> dict[str, Any]:
        """What two runs of the same settings have alike, as JSON; word vectors are known by their content."""
        return {
            "text settings": to_json(self.text),
            "model settings": to_json(self.model),
            "training settings": to_json(self.training),
        }


@dataclass(frozen=True)
class Option:
    """One setting under its names: estimator keyword, component's field, command-line flag."""

    keyword: str
    component: str
    field: str
    flag: str
    help: str


OPTIONS = (
    Option(
        "arch",
        "arch",
        "architecture",
        "--arch",
        "network: Kim (2014), the DCNN of Kalchbrenner et al. (2014) or stacked convolutions",
    ),
    Option(
        "channels", "model", "channels", "--channels", "what a word's row is made of [rand, with --vectors non-static]"
    ),
    Option(
        "multichannel_filters",
        "model",
        "multichannel_filters",
        "--multichannel-filters",
        "for multichannel: one filter for both channels (the paper's), or weights for each",
    ),
    Option(
        "dimension",
        "model",
        "dimension",
        "--dimension",
        "length of a word vector [300, dcnn 48; with --vectors the file's]",
    ),
    Option(
        "ngrams",
        "model",
        "ngrams",
        "--ngrams",
        "words of the longest n-gram in the linear bag beside the network, 0 for none",
    ),
    Option(
        "region_sizes",
        "model",
        "region_sizes",
        "--region-sizes",
        "words in a window [kim 3,4,5; one a layer: dcnn 7,5, stacked 3,3]",
    ),
    Option(
        "feature_maps",
        "model",
        "feature_maps",
        "--feature-maps",
        "filters for each region size [kim 100; dcnn 6,14; stacked 100,100]",
    ),
    Option(
        "activation", "model", "activation", "--activation", "for kim and stacked: nonlinearity of the feature maps"
    ),
    Option("padding", "model", "padding", "--padding", "for kim: windows that touch a word, or of words alone"),
    Option("pooling", "model", "pooling", "--pooling", "for kim: how a feature map becomes a feature"),
    Option("k", "model", "k", "--k", "for kim: values kept by k-max pooling"),
    Option("k_top", "model", "k_top", "--k-top", "for dcnn: values kept by the last pooling"),
    Option("dropout", "model", "dropout", "--dropout", "share of the pooled features dropped in training"),
    Option(
        "pool_size", "model", "pool_size", "--pool-size", "for stacked: neighbours that a local pooling makes one of"
    ),
    Option("global_pooling", "model", "global_pooling", "--global-pooling", "for stacked: pooling of the last layer"),
    Option("tokenizer", "text", "tokenizer", "--tokenizer", "grammar of the tokens"),
    Option("lowercase", "text", "lowercase", "--lowercase/--keep-case", "lower-case the texts"),
    Option("min_count", "text", "min_count", "--min-count", "keep words that occur at least so often"),
    Option("max_size", "text", "max_size", "--max-size", "keep so many words at most, the most frequent [all]"),
    Option("max_length", "text", "max_length", "--max-length", "read so many tokens of a text at most [all]"),
    Option(
        "unseen_words",
        "text",
        "unseen_words",
        "--unseen-words",
        "words of the vectors file that are in no training text and are kept, at most",
    ),
    Option("optimizer", "training", "optimizer", "--optimizer", "how steps are taken"),
    Option(
        "learning_rate",
        "training",
        "learning_rate",
        "--learning-rate",
        "step size [adam 0.001, adadelta 1.0, adagrad 0.01]",
    ),
    Option("batch_size", "training", "batch_size", "--batch-size", "texts a step"),
    Option("max_epochs", "training", "max_epochs", "--epochs", "passes over the training texts at most"),
    Option("patience", "training", "patience", "--patience", "stop after so many epochs without a better score"),
    Option("monitor", "training", "monitor", "--monitor", "validation score that chooses the epoch"),
    Option(
        "max_norm",
        "training",
        "max_norm",
        "--max-norm",
        "bound on each class's softmax weights, 0 for none [3, dcnn 0]",
    ),
    Option("l2", "training", "l2", "--l2", "weight of the squared norm, one for all layers or one for each"),
    Option(
        "class_weight",
        "training",
        "class_weight",
        "--class-weight",
        "weights of the classes: balanced, or by name such as good=1,bad=2 [none]",
    ),
    Option(
        "validation_share",
        "training",
        "validation_share",
        "--validation-share",
        "part of the training texts held out where no validation texts are given",
    ),
    Option("random_state", "training", "seed", "--seed", "governs split, weights, batches and dropout"),
    Option(
        "device", "training", "device", "--device", "where to compute: auto (CUDA where present), cpu, cuda or cuda:N"
    ),
    Option(
        "precision",
        "training",
        "precision",
        "--precision",
        "for kim and stacked: how words are projected in training",
    ),
    Option("freeze", "training", "freeze", "--freeze", "layers that stay as they are: embeddings, convolution"),
    Option(
        "vector_norm",
        "training",
        "vector_norm",
        "--vector-norm",
        "norm that the file's word vectors are scaled to, 0 for their own",
    ),
)


def make_settings(keywords: Mapping[str, Any], *, vectors: Path | None, init_from: Path | None = None) -> Settings:
    """Settings from flat keywords (`OPTIONS`).

    None means the architecture's own default where the two differ. `channels=None` means `rand`
    without word vectors and `non-static` with them; `dimension=None` with word vectors means theirs.

    Raises:
        ConfigError: a value out of range, or settings that contradict each other.
    """
    kind = ARCHITECTURES.get(keywords["arch"])
    if kind is None:
        raise ConfigError(f"arch: expected one of {', '.join(ARCHITECTURES)}, found {keywords['arch']!r}")
    parts: dict[str, dict[str, Any]] = {"text": {}, "model": {}, "training": {}, "arch": {}}
    for option in OPTIONS:
        parts[option.component][option.field] = _plain(keywords[option.keyword])
    training = parts["training"]
    if training["max_norm"] is None:
        training["max_norm"] = 0.0 if kind is DCNNConfig else TrainingConfig().max_norm
    settings = Settings(
        text=TextConfig(**parts["text"]),
        model=_model_config(kind, parts["model"], vectors=vectors),
        training=TrainingConfig(**training),
        vectors=vectors,
        vector_dimension=parts["model"]["dimension"],
        init_from=init_from,
    )
    if settings.training.precision != "fp32" and kind is DCNNConfig:
        raise ConfigError(
            "precision: expected fp32 for the architecture dcnn, whose first layer is no matrix product, "
            f"found {settings.training.precision!r}; leave it out"
        )
    if init_from is not None:
        return settings  # the channels are those of that model
    if settings.model.pretrained and vectors is None:
        raise ConfigError(
            f"channels {settings.model.channels}: expected a file of word vectors, found none; "
            "give one (--vectors FILE) or use the channels rand"
        )
    if vectors is not None and not settings.model.pretrained:
        raise ConfigError(
            "channels rand: expected no word vectors, found a file of them; "
            "leave the file out or use static, non-static or multichannel"
        )
    return settings


def _plain(value: Any) -> Any:
    """Numpy's scalars and arrays, which searches over settings draw, as Python's own numbers."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def _model_config(kind: type[ModelConfig], values: Mapping[str, Any], *, vectors: Path | None) -> ModelConfig:
    """The architecture's settings; those of another one must be left at their defaults."""
    names = {field.name for field in dataclasses.fields(kind)}
    chosen = {name: value for name, value in values.items() if name in names and value is not None}
    chosen.setdefault("channels", "rand" if vectors is None else "non-static")
    for name in values.keys() - names:
        default = next(getattr(other(), name) for other in ARCHITECTURES.values() if hasattr(other, name))
        if values[name] not in (None, default):
            arch = next(arch for arch, other in ARCHITECTURES.items() if other is kind)
            raise ConfigError(
                f"{name}: the architecture {arch} has no such setting, found {values[name]!r}; leave it out"
            )
    return kind(**chosen)
