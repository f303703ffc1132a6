"""Settings: one frozen dataclass a component; its constructor validates, its fields are the saved JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, TypeVar

from textcnn.errors import ConfigError

TOKENIZERS = ("unicode", "kim", "kim-sst", "whitespace")
CHANNELS = ("rand", "static", "non-static", "multichannel")
MULTICHANNEL_FILTERS = ("shared", "separate")
ACTIVATIONS = ("relu", "tanh", "identity")
PADDINGS = ("wide", "narrow")
POOLINGS = ("max", "average", "k-max")
GLOBAL_POOLINGS = ("max", "average")
OPTIMIZERS = ("adam", "adadelta", "adagrad")
LARGEST = 2**32  # of whole numbers: beyond it a setting is a slip of the hand
LONGEST_NGRAM = 3
LAYERS = ("word vectors", "convolutions", "softmax")  # of the L2 penalty
FREEZABLE = ("embeddings", "convolution")
PRECISIONS = ("fp32", "bf16")
MONITORS = ("accuracy", "macro_f1", "loss")

# The optimisers' usual step sizes; Adadelta's 1.0 is the method of Zeiler (2012) as published.
LEARNING_RATES = {"adam": 1e-3, "adadelta": 1.0, "adagrad": 1e-2}

Config = TypeVar("Config", bound="TextConfig | KimConfig | DCNNConfig | StackedConfig | TrainingConfig")


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
    if right_type and whole and value > LARGEST:
        raise ConfigError(f"{name}: expected a whole number up to {LARGEST:,}, found a larger one")
    if (
        not right_type
        or not math.isfinite(value)
        or (least is not None and value < least)
        or (above is not None and value <= above)
        or (below is not None and value >= below)
    ):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}: expected {' '.join([kind, ' and '.join(bounds)]).strip()}, found {value!r}")


def _numbers(name: str, value: Any) -> tuple[int, ...]:
    """`value` as a tuple; ConfigError unless it is whole numbers of 1 or more, or a single one."""
    if isinstance(value, int):
        value = (value,)
    if not isinstance(value, (tuple, list)) or not value:
        raise ConfigError(f"{name}: expected whole numbers such as (3, 4, 5), found {value!r}")
    for number in value:
        _number(name, number, least=1, whole=True)
    return tuple(value)


def _layers(config: DCNNConfig | StackedConfig) -> int:
    """Put the region sizes and feature maps, one for each layer, into tuples; how many layers there are."""
    for name in ("region_sizes", "feature_maps"):
        object.__setattr__(config, name, _numbers(name, getattr(config, name)))
    layers = len(config.region_sizes)
    if len(config.feature_maps) != layers:
        raise ConfigError(
            f"feature_maps: expected one number for each of the {layers} region sizes, found {config.feature_maps}"
        )
    return layers


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How a text becomes ids.

    Args:
        tokenizer: `unicode`, `kim`, `kim-sst` or `whitespace` (see `textcnn.text.tokenizer`).
        lowercase: lower-case each character first.
        min_count: keep the words that occur at least so often in the training texts.
        max_size: keep at most so many words, the most frequent ones; None keeps all.
        max_length: read at most so many tokens of a text, its first; None reads all.
        unseen_words: with word vectors, keep so many words of their file at most that are in no training text: its
            first, the most frequent of the texts it was made from; at 300 dimensions 10,000 of them take 12 MB.
    """

    tokenizer: str = "unicode"
    lowercase: bool = True
    min_count: int = 1
    max_size: int | None = None
    max_length: int | None = None
    unseen_words: int = 20_000

    def __post_init__(self) -> None:
        _one_of("tokenizer", self.tokenizer, TOKENIZERS)
        _number("min_count", self.min_count, least=1, whole=True)
        _number("unseen_words", self.unseen_words, least=0, whole=True)
        for name in ("max_size", "max_length"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), least=1, whole=True)


@dataclass(frozen=True, kw_only=True)
class ChannelConfig:
    """What a word's row is made of: the settings that all networks share.

    Args:
        channels: `rand` (one table, random), `static` (word vectors, fixed), `non-static`
            (word vectors, trained) or `multichannel` (both).
        multichannel_filters: `shared`, Kim's form: each filter is applied to both channels
            and the results are added; `separate`: a filter has weights of its own for each channel.
        dimension: D, the length of a word vector.
        ngrams: words of the longest n-gram in the linear bag of n-grams beside the network (`textcnn.text.ngrams`); 0,
            the papers' networks, for none.
    """

    channels: str = "rand"
    multichannel_filters: str = "shared"
    dimension: int = 300
    ngrams: int = 0

    def __post_init__(self) -> None:
        _one_of("channels", self.channels, CHANNELS)
        _one_of("multichannel_filters", self.multichannel_filters, MULTICHANNEL_FILTERS)
        _number("dimension", self.dimension, least=1, whole=True)
        _number("ngrams", self.ngrams, least=0, below=LONGEST_NGRAM + 1, whole=True)

    @property
    def pretrained(self) -> bool:
        """Whether a channel starts from word vectors."""
        return self.channels != "rand"

    @property
    def channel_count(self) -> int:
        """C, rows of a word that a filter has weights of its own for."""
        return 2 if self.channels == "multichannel" and self.multichannel_filters == "separate" else 1


@dataclass(frozen=True, kw_only=True)
class KimConfig(ChannelConfig):
    """The network of Kim (2014), section 2 and 3.1; the defaults are the paper's.

    Args:
        channels, multichannel_filters, dimension, ngrams: see `ChannelConfig`.
        region_sizes: h, the words in a window, one number a region.
        feature_maps: F, filters for each region size.
        activation: `relu`, `tanh` or `identity`.
        padding: `wide` (every window that touches a word) or `narrow` (windows of words alone).
        pooling: `max` over time, `average` or `k-max`.
        k: values that k-max pooling keeps.
        dropout: share of the pooled features dropped in training.
    """

    region_sizes: tuple[int, ...] = (3, 4, 5)
    feature_maps: int = 100
    activation: str = "relu"
    padding: str = "wide"
    pooling: str = "max"
    k: int = 3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        _one_of("activation", self.activation, ACTIVATIONS)
        _one_of("padding", self.padding, PADDINGS)
        _one_of("pooling", self.pooling, POOLINGS)
        for name in ("feature_maps", "k"):
            _number(name, getattr(self, name), least=1, whole=True)
        _number("dropout", self.dropout, least=0, below=1)
        object.__setattr__(self, "region_sizes", _numbers("region_sizes", self.region_sizes))

    @property
    def features(self) -> int:
        """Length of the penultimate layer: one value a filter, k of them with k-max pooling."""
        return len(self.region_sizes) * self.feature_maps * (self.k if self.pooling == "k-max" else 1)


@dataclass(frozen=True, kw_only=True)
class DCNNConfig(ChannelConfig):
    """The network of Kalchbrenner et al. (2014), section 3; the defaults are the paper's for SST-2.

    Args:
        channels, multichannel_filters, dimension, ngrams: see `ChannelConfig`; each layer halves the dimension.
        region_sizes: m, one for each layer.
        feature_maps: F, one for each layer.
        k_top: values that the last layer's pooling keeps.
        dropout: share of the last layer's values dropped in training.
    """

    dimension: int = 48
    region_sizes: tuple[int, ...] = (7, 5)
    feature_maps: tuple[int, ...] = (6, 14)
    k_top: int = 4
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        layers = _layers(self)
        if self.dimension % 2**layers:
            raise ConfigError(
                f"dimension: expected a multiple of {2**layers}, since each of the {layers} layers folds the rows "
                f"in pairs, found {self.dimension}"
            )
        _number("k_top", self.k_top, least=1, whole=True)
        _number("dropout", self.dropout, least=0, below=1)

    @property
    def features(self) -> int:
        """Length of the last layer: k_top values of each row of each map."""
        return self.k_top * self.feature_maps[-1] * (self.dimension // 2 ** len(self.region_sizes))


@dataclass(frozen=True, kw_only=True)
class StackedConfig(ChannelConfig):
    """Several convolutions with local max pooling between them (`textcnn.nn.stacked`).

    Args:
        channels, multichannel_filters, dimension, ngrams: see `ChannelConfig`.
        region_sizes: h, one for each layer.
        feature_maps: F, one for each layer.
        activation: `relu`, `tanh` or `identity`.
        pool_size: neighbouring values that a local pooling makes one of.
        global_pooling: `max` or `average`, of the last layer over the whole text.
        dropout: share of the pooled features dropped in training.
    """

    region_sizes: tuple[int, ...] = (3, 3)
    feature_maps: tuple[int, ...] = (100, 100)
    activation: str = "relu"
    pool_size: int = 2
    global_pooling: str = "max"
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        _layers(self)
        _one_of("activation", self.activation, ACTIVATIONS)
        _one_of("global_pooling", self.global_pooling, GLOBAL_POOLINGS)
        _number("pool_size", self.pool_size, least=1, whole=True)
        _number("dropout", self.dropout, least=0, below=1)

    @property
    def features(self) -> int:
        """Length of the penultimate layer: one value for each map of the last layer."""
        return self.feature_maps[-1]


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
        max_norm: s, the bound on the L2 norm of each class's softmax weights (Kim 2014, section 2.1);
            0 leaves them free. The paper scales the weights down by the share kept at test time, we
            scale the features up in training instead: our weights are held to s (1 - dropout).
        l2: weight of the squared norm in the loss (half of it): one number for all layers, or one
            for each: word vectors, convolutions, softmax (Kalchbrenner et al. 2014, section 5.1).
        class_weight: None; `balanced`, which weighs each example by the inverse of its class's
            frequency; or a weight for each class, in the order of the classes.
        validation_share: part of the training texts held out where no validation texts are given.
        seed: governs the split, the initial weights, the batches and dropout.
        device: `auto` (CUDA where present), `cpu`, `cuda` or `cuda:N`.
        precision: of the product that projects the words in training, `fp32` or `bf16`, which is faster where the
            processor multiplies such numbers; everything else, predictions too, stays in `fp32`.
        freeze: layers that stay as they are: `embeddings` (the word vectors), `convolution` (all convolutions).
        vector_norm: L2 norm that each word vector of a file is scaled to before training; 0 leaves them as they are.
    """

    optimizer: str = "adam"
    learning_rate: float | None = None
    batch_size: int = 50
    max_epochs: int = 25
    patience: int = 5
    monitor: str = "accuracy"
    max_norm: float = 3.0
    l2: float | tuple[float, ...] = 0.0
    class_weight: str | tuple[float, ...] | None = None
    validation_share: float = 0.1
    seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    freeze: tuple[str, ...] = ()
    vector_norm: float = 0.0

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("monitor", self.monitor, MONITORS)
        _one_of("precision", self.precision, PRECISIONS)
        object.__setattr__(self, "freeze", (self.freeze,) if isinstance(self.freeze, str) else tuple(self.freeze))
        for layer in self.freeze:
            _one_of("freeze", layer, FREEZABLE)
        if isinstance(self.class_weight, str):
            _one_of("class_weight", self.class_weight, ("balanced",))
        elif self.class_weight is not None:
            for weight in self.class_weight:
                _number("class_weight", weight, above=0)
            object.__setattr__(self, "class_weight", tuple(self.class_weight))
        for name in ("batch_size", "max_epochs", "patience"):
            _number(name, getattr(self, name), least=1, whole=True)
        if self.learning_rate is not None:
            _number("learning_rate", self.learning_rate, above=0)
        for name in ("max_norm", "vector_norm"):
            _number(name, getattr(self, name), least=0)
        if isinstance(self.l2, (tuple, list)):
            object.__setattr__(self, "l2", tuple(self.l2))
        if isinstance(self.l2, tuple) and len(self.l2) != len(LAYERS):
            raise ConfigError(
                f"l2: expected one number, or one for each of the {len(LAYERS)} layers ({', '.join(LAYERS)}), "
                f"found {len(self.l2)}"
            )
        for weight in self.l2 if isinstance(self.l2, tuple) else (self.l2,):
            _number("l2", weight, least=0)
        _number("validation_share", self.validation_share, above=0, below=1)
        _number("seed", self.seed, least=0, below=2**32, whole=True)
        if self.device not in ("auto", "cpu", "cuda") and not str(self.device).startswith("cuda:"):
            raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, found {self.device!r}")

    @property
    def step_size(self) -> float:
        """The learning rate given, or the optimiser's usual one."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate


ModelConfig = KimConfig | DCNNConfig | StackedConfig
ARCHITECTURES: dict[str, type[ModelConfig]] = {"kim": KimConfig, "dcnn": DCNNConfig, "stacked": StackedConfig}


def architecture_of(config: ModelConfig) -> str:
    """The name of a network's architecture."""
    return next(name for name, kind in ARCHITECTURES.items() if isinstance(config, kind))


def to_json(config: TextConfig | ModelConfig | TrainingConfig) -> dict[str, Any]:
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
