"""Settings: one frozen dataclass a component; its constructor validates, its fields are the saved JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from textcnn.errors import ConfigError

TOKENIZERS = ("unicode", "kim", "kim-sst", "whitespace")
CHANNELS = ("rand", "static", "non-static", "multichannel")
MULTICHANNEL_FILTERS = ("shared", "separate")
ACTIVATIONS = ("relu", "tanh", "identity")
PADDINGS = ("wide", "narrow")
POOLINGS = ("max", "average", "k-max")
OPTIMIZERS = ("adam", "adadelta", "adagrad")
MONITORS = ("accuracy", "macro_f1", "loss")

# The optimisers' usual step sizes; Adadelta's 1.0 is the method of Zeiler (2012) as published.
LEARNING_RATES = {"adam": 1e-3, "adadelta": 1.0, "adagrad": 1e-2}

Config = TypeVar("Config", "TextConfig", "KimConfig", "TrainingConfig")


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name}: expected one of {', '.join(choices)}, found {value!r}")


def _number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
) -> None:
    """Raise ConfigError unless `value` is a finite number (a whole one) within the bounds given."""
    bounds = [
        text
        for text, bound in ((f"at least {least}", least), (f"above {above}", above), (f"below {below}", below))
        if bound is not None
    ]
    right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if (
        not right_type
        or not math.isfinite(value)
        or (least is not None and value < least)
        or (above is not None and value <= above)
        or (below is not None and value >= below)
    ):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}: expected {' '.join([kind, ' and '.join(bounds)]).strip()}, found {value!r}")


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How a text becomes ids.

    Args:
        tokenizer: `unicode`, `kim`, `kim-sst` or `whitespace` (see `textcnn.text`).
        lowercase: lower-case each character first.
        min_count: keep the words that occur at least so often in the training texts.
        max_size: keep at most so many words, the most frequent ones; None keeps all.
        max_length: read at most so many tokens of a text, its first; None reads all.
    """

    tokenizer: str = "unicode"
    lowercase: bool = True
    min_count: int = 1
    max_size: int | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        _one_of("tokenizer", self.tokenizer, TOKENIZERS)
        _number("min_count", self.min_count, least=1, whole=True)
        for name in ("max_size", "max_length"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), least=1, whole=True)


@dataclass(frozen=True, kw_only=True)
class KimConfig:
    """The network of Kim (2014), section 2 and 3.1; the defaults are the paper's.

    Args:
        channels: `rand` (one table, random), `static` (word vectors, fixed), `non-static`
            (word vectors, trained) or `multichannel` (both).
        multichannel_filters: `shared`, the paper's form: each filter is applied to both channels
            and the results are added; `separate`: a filter has weights of its own for each channel.
        dimension: D, the length of a word vector.
        region_sizes: h, the words in a window, one number a region.
        feature_maps: F, filters for each region size.
        activation: `relu`, `tanh` or `identity`.
        padding: `wide` (every window that touches a word) or `narrow` (windows of words alone).
        pooling: `max` over time, `average` or `k-max`.
        k: values that k-max pooling keeps.
        dropout: share of the pooled features dropped in training.
    """

    channels: str = "rand"
    multichannel_filters: str = "shared"
    dimension: int = 300
    region_sizes: tuple[int, ...] = (3, 4, 5)
    feature_maps: int = 100
    activation: str = "relu"
    padding: str = "wide"
    pooling: str = "max"
    k: int = 3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        _one_of("channels", self.channels, CHANNELS)
        _one_of("multichannel_filters", self.multichannel_filters, MULTICHANNEL_FILTERS)
        _one_of("activation", self.activation, ACTIVATIONS)
        _one_of("padding", self.padding, PADDINGS)
        _one_of("pooling", self.pooling, POOLINGS)
        for name in ("dimension", "feature_maps", "k"):
            _number(name, getattr(self, name), least=1, whole=True)
        _number("dropout", self.dropout, least=0, below=1)
        sizes = self.region_sizes
        if not isinstance(sizes, (tuple, list)) or not sizes:
            raise ConfigError(f"region_sizes: expected whole numbers such as (3, 4, 5), found {sizes!r}")
        for size in sizes:
            _number("region_sizes", size, least=1, whole=True)
        object.__setattr__(self, "region_sizes", tuple(sizes))

    @property
    def pretrained(self) -> bool:
        """Whether a channel starts from word vectors."""
        return self.channels != "rand"

    @property
    def features(self) -> int:
        """Length of the penultimate layer: one value a filter, k of them with k-max pooling."""
        return len(self.region_sizes) * self.feature_maps * (self.k if self.pooling == "k-max" else 1)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a network is trained.

    Args:
        optimizer: `adam`, `adadelta` or `adagrad`.
        learning_rate: step size; None takes the optimiser's usual one (`LEARNING_RATES`).
        batch_size: texts a step.
        max_epochs: passes over the training texts at most.
        patience: stop after so many epochs without a better validation score.
        monitor: the validation score: `accuracy`, `macro_f1` or `loss`.
        max_norm: bound on the L2 norm of each class's softmax weights (Kim 2014, section 2.1);
            None leaves them free.
        class_weight: None; `balanced`, which weighs each example by the inverse of its class's
            frequency; or a weight for each class, in the order of the classes.
        validation_share: part of the training texts held out where no validation texts are given.
        seed: governs the split, the initial weights, the batches and dropout.
        device: `auto` (CUDA where present), `cpu`, `cuda` or `cuda:N`.
    """

    optimizer: str = "adam"
    learning_rate: float | None = None
    batch_size: int = 50
    max_epochs: int = 25
    patience: int = 5
    monitor: str = "accuracy"
    max_norm: float | None = 3.0
    class_weight: str | tuple[float, ...] | None = None
    validation_share: float = 0.1
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("monitor", self.monitor, MONITORS)
        if isinstance(self.class_weight, str):
            _one_of("class_weight", self.class_weight, ("balanced",))
        elif self.class_weight is not None:
            for weight in self.class_weight:
                _number("class_weight", weight, above=0)
            object.__setattr__(self, "class_weight", tuple(self.class_weight))
        for name in ("batch_size", "max_epochs", "patience"):
            _number(name, getattr(self, name), least=1, whole=True)
        for name in ("learning_rate", "max_norm"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), above=0)
        _number("validation_share", self.validation_share, above=0, below=1)
        _number("seed", self.seed, least=0, below=2**32, whole=True)
        if self.device not in ("auto", "cpu", "cuda") and not str(self.device).startswith("cuda:"):
            raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, found {self.device!r}")

    @property
    def step_size(self) -> float:
        """The learning rate given, or the optimiser's usual one."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate


def to_json(config: TextConfig | KimConfig | TrainingConfig) -> dict[str, Any]:
    """The settings as a JSON object."""
    return dataclasses.asdict(config)


def from_json(kind: type[Config], values: Any, *, where: str) -> Config:
    """Settings read back from `values`; `where` names the file in errors.

    Raises:
        ConfigError: an unknown or missing setting, or a value out of its range.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(values, dict) or set(values) != names:
        found = sorted(values) if isinstance(values, dict) else values
        raise ConfigError(f"{where}: expected the settings {sorted(names)}, found {found}")
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that governs a training run.

    Args:
        text: how texts are read.
        model: the network.
        training: how it is trained.
        vectors: file of word vectors, or None.
        vector_dimension: what that file's dimension must be; None takes it as it is.
    """

    text: TextConfig = field(default_factory=TextConfig)
    model: KimConfig = field(default_factory=KimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    vectors: Path | None = None
    vector_dimension: int | None = None


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
        "channels", "model", "channels", "--channels", "what a word's row is made of [rand, with --vectors non-static]"
    ),
    Option(
        "multichannel_filters",
        "model",
        "multichannel_filters",
        "--multichannel-filters",
        "multichannel: one filter for both channels (the paper's), or weights for each",
    ),
    Option(
        "dimension", "model", "dimension", "--dimension", "length of a word vector [300, with --vectors the file's]"
    ),
    Option("region_sizes", "model", "region_sizes", "--region-sizes", "words in a window, such as 3,4,5"),
    Option("feature_maps", "model", "feature_maps", "--feature-maps", "filters for each region size"),
    Option("activation", "model", "activation", "--activation", "nonlinearity of the feature maps"),
    Option("padding", "model", "padding", "--padding", "windows that touch a word, or windows of words alone"),
    Option("pooling", "model", "pooling", "--pooling", "how a feature map becomes a feature"),
    Option("k", "model", "k", "--k", "values kept by k-max pooling"),
    Option("dropout", "model", "dropout", "--dropout", "share of the pooled features dropped in training"),
    Option("tokenizer", "text", "tokenizer", "--tokenizer", "grammar of the tokens"),
    Option("lowercase", "text", "lowercase", "--lowercase/--keep-case", "lower-case the texts"),
    Option("min_count", "text", "min_count", "--min-count", "keep words that occur so often in the training texts"),
    Option("max_size", "text", "max_size", "--max-size", "keep so many words at most, the most frequent [all]"),
    Option("max_length", "text", "max_length", "--max-length", "read so many tokens of a text at most [all]"),
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
    Option("max_norm", "training", "max_norm", "--max-norm", "bound on each class's softmax weights, 0 for none"),
    Option(
        "class_weight", "training", "class_weight", "--class-weight", "balanced, or weights such as good=1,bad=2 [none]"
    ),
    Option(
        "validation_share",
        "training",
        "validation_share",
        "--validation-share",
        "part of the training texts held out where no validation texts are given",
    ),
    Option("random_state", "training", "seed", "--seed", "governs split, weights, batches and dropout"),
    Option("device", "training", "device", "--device", "auto (CUDA where present), cpu, cuda or cuda:N"),
)


def make_settings(keywords: Mapping[str, Any], *, vectors: Path | None) -> Settings:
    """Settings from flat keywords (`OPTIONS`).

    `channels=None` means `rand` without word vectors and `non-static` with them; `dimension=None`
    means 300, or later the dimension of the vectors file.

    Raises:
        ConfigError: a value out of range, or settings that contradict each other.
    """
    parts: dict[str, dict[str, Any]] = {"text": {}, "model": {}, "training": {}}
    for option in OPTIONS:
        parts[option.component][option.field] = keywords[option.keyword]
    model = parts["model"]
    if model["channels"] is None:
        model["channels"] = "rand" if vectors is None else "non-static"
    if model["dimension"] is None:
        del model["dimension"]
    settings = Settings(
        text=TextConfig(**parts["text"]),
        model=KimConfig(**model),
        training=TrainingConfig(**parts["training"]),
        vectors=vectors,
        vector_dimension=model.get("dimension"),
    )
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
