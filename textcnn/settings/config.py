"""Settings: one frozen dataclass per component, whose fields are the saved JSON, the keywords and the flags."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from textcnn.errors import ConfigError, quoted
from textcnn.settings._fields import Checked, documented, option

TOKENIZERS = ("unicode", "kim", "kim-sst", "whitespace", "characters")
CHANNELS = ("rand", "static", "non-static", "multichannel")
LONGEST_NGRAM = 3
LONGEST_CHAR_NGRAM = 10

Config = TypeVar("Config", bound=Checked)

_ACTIVATION: dict[str, Any] = {
    "help": "Nonlinearity of the feature maps.",
    "choices": ("relu", "tanh", "identity"),
}
_REGION_SIZES: dict[str, Any] = {
    "help": "Words in a window (h; m of the DCNN): of each group of filters for kim and dpcnn, of each layer for the "
    "others.",
    "least": 1,
    "aliases": ("kernel-sizes", "filter-sizes"),
}
_FEATURE_MAPS: dict[str, Any] = {
    "help": "Feature maps F: filters of each region size for kim and dpcnn, of each layer for the others.",
    "least": 1,
    "aliases": ("filters", "num-filters"),
}


@documented
@dataclass(frozen=True, kw_only=True)
class TextConfig(Checked):
    """How a text becomes word ids."""

    tokenizer: str = option(
        "unicode", "Grammar of the tokens: words of any language; Kim's cleaning, or that for SST; split at white "
        "space; single characters.", choices=TOKENIZERS,
    )  # fmt: skip
    lowercase: bool = option(True, "Lower-case the texts.", flag="--lowercase/--keep-case")
    min_count: int = option(
        1, "Keep the words that occur at least N times in the training texts.", least=1, aliases=("min-df", "min-freq")
    )
    max_size: int | None = option(
        None, "Keep at most N words, the most frequent.", kind=int, least=1, optional=True, unset="all",
        aliases=("vocabulary-size", "max-features"),
    )  # fmt: skip
    max_length: int | None = option(
        None, "Read at most N tokens of a text, its first.", kind=int, least=1, optional=True, unset="all"
    )
    unseen_words: int = option(
        20_000, "With word vectors, also keep at most N words of their file that no training text has, its first.",
        least=0,
    )  # fmt: skip


@documented
@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Checked):
    """The settings that all networks share: channels, dropout, and the bag of n-grams.

    Attributes:
        default_max_norm: the bound on the softmax weights where `TrainingConfig.max_norm` is None.
        projects_words: whether the first layer is a matrix product over word vectors, which bfloat16 can do.
    """

    default_max_norm: ClassVar[float] = 3.0
    projects_words: ClassVar[bool] = True

    channels: str = option(
        "rand",
        "Embedding channels: rand (trained from random), static (word vectors, fixed), non-static (word vectors, "
        "trained) or multichannel (both).",
        choices=CHANNELS,
        unset="rand, with --vectors non-static",
    )
    multichannel_filters: str = option(
        "shared",
        "For multichannel: each filter is shared by both channels, as in Kim (2014), or has separate weights for each.",
        choices=("shared", "separate"),
        only_with=("channels", "multichannel"),
    )
    dimension: int = option(
        300, "Dimension D of the word vectors; with --vectors that of the file.", least=1,
        aliases=("dim", "embedding-dim"),
    )  # fmt: skip
    ngrams: int = option(
        2,
        "Words of the longest n-gram in the linear bag of n-grams beside the network; 0 for none, as in the papers.",
        least=0,
        below=LONGEST_NGRAM + 1,
    )
    char_ngrams: tuple[int, ...] = option(
        (), "Add the vectors of its character n-grams to each word's, from the shortest to the longest, such as 3-5, "
        "with the word's bounds as characters; words that training did not see have these alone.",
        kind=int, above=0, below=LONGEST_CHAR_NGRAM + 1, separator="-", aliases=("subwords", "minn", "maxn"),
    )  # fmt: skip

    region_sizes: tuple[int, ...] = option((3, 4, 5), **_REGION_SIZES)
    dropout: float = option(0.5, "Share of the penultimate layer's values dropped in training.", least=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = self.char_ngrams
        if sizes and (len(sizes) != 2 or sizes[0] > sizes[1]):
            expected = "the lengths of the shortest and the longest n-grams such as 3-5, (3, 5) in Python"
            raise ConfigError(f"char_ngrams: expected {expected}, found {sizes}")
        if sizes and self.channels == "static":
            expected = "channels that are trained, as n-grams are"
            raise ConfigError(f"char_ngrams: expected {expected}, found static; use non-static or multichannel")

    @property
    def pretrained(self) -> bool:
        """Whether a channel starts from word vectors."""
        return self.channels != "rand"

    @property
    def channel_count(self) -> int:
        """C, the rows of a word for which a filter has weights of its own."""
        return 2 if self.channels == "multichannel" and self.multichannel_filters == "separate" else 1

    @property
    def features(self) -> int:
        """Length of the penultimate layer."""
        raise NotImplementedError


@documented
@dataclass(frozen=True, kw_only=True)
class KimConfig(NetworkConfig):
    """The network of Kim (2014), sections 2 and 3.1; the defaults are the paper's, but for the bag of n-grams."""

    feature_maps: int = option(100, **_FEATURE_MAPS)
    activation: str = option("relu", **_ACTIVATION)
    padding: str = option(
        "wide", "Windows that touch a word (wide), or windows of words alone (narrow).", choices=("wide", "narrow")
    )
    pooling: str = option(
        "max", "Pooling of a feature map over the text; max is the paper's.", choices=("max", "average", "k-max")
    )
    k: int = option(3, "Values that k-max pooling keeps.", least=1, only_with=("pooling", "k-max"))

    @property
    def features(self) -> int:
        """Length of the penultimate layer: one value per filter, k of them with k-max pooling."""
        return len(self.region_sizes) * self.feature_maps * (self.k if self.pooling == "k-max" else 1)


@documented
@dataclass(frozen=True, kw_only=True)
class DCNNConfig(NetworkConfig):
    """The network of Kalchbrenner et al. (2014), section 3; the defaults are the paper's for SST-2, but for the bag.

    Each layer halves the dimension.
    """

    default_max_norm: ClassVar[float] = 0.0
    projects_words: ClassVar[bool] = False

    dimension: int = option(48, "Dimension D of the word vectors; with --vectors that of the file.", least=1)
    region_sizes: tuple[int, ...] = option((7, 5), **_REGION_SIZES)
    feature_maps: tuple[int, ...] = option((6, 14), **_FEATURE_MAPS)
    k_top: int = option(4, "Values that the last layer's pooling keeps.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        layers = _count_layers(self)
        if self.dimension % 2**layers:
            raise ConfigError(
                f"dimension: expected a multiple of {2**layers}, since each of the {layers} layers folds the rows "
                f"in pairs, found {self.dimension}"
            )

    @property
    def features(self) -> int:
        """Length of the last layer: k_top values of each row of each map."""
        return self.k_top * self.feature_maps[-1] * (self.dimension // 2 ** len(self.region_sizes))


@documented
@dataclass(frozen=True, kw_only=True)
class StackedConfig(NetworkConfig):
    """Several convolutions with local max pooling between them (`textcnn.nn.stacked`).

    With `branches`, the largest of them is the region size of each layer after the first.
    """

    region_sizes: tuple[int, ...] = option((3, 3), **_REGION_SIZES)
    feature_maps: tuple[int, ...] = option((100, 100), **_FEATURE_MAPS)
    activation: str = option("relu", **_ACTIVATION)
    pool_size: int = option(2, "Neighbouring values that local pooling takes the largest of.", least=1)
    global_pooling: str = option("max", "Pooling of the last layer over the whole text.", choices=("max", "average"))
    shortcut: bool = option(
        False,
        "Add the input of each pair of layers after the first to its output, as in He et al. (2016); local pooling is "
        "before pairs only.",
        flag="--shortcut/--no-shortcut",
        aliases=("residual",),
    )
    branches: tuple[int, ...] = option(
        (),
        "Make each layer after the first an inception module with a branch of each of these sizes, as in Szegedy et "
        "al. (2015); its region size is then the largest of them.",
        kind=int,
        above=0,
        aliases=("inception",),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        layers = _count_layers(self)
        if self.shortcut and (layers == 1 or layers % 2 == 0):
            raise ConfigError(
                "region_sizes: expected 3, 5, 7 or another odd number of layers with a shortcut around each pair after "
                f"the first, found {self.region_sizes}"
            )
        if not self.branches:
            return
        largest, count = max(self.branches), len(self.branches)
        if set(self.region_sizes[1:]) != {largest}:
            raise ConfigError(
                f"region_sizes: expected {largest}, the largest of the branches, for each layer after the first, "
                f"found {self.region_sizes}"
            )
        if any(maps % count for maps in self.feature_maps[1:]):
            raise ConfigError(
                f"feature_maps: expected multiples of {count}, the number of branches, for the layers after the first, "
                f"found {self.feature_maps}"
            )

    @property
    def wide(self) -> bool:
        """Whether the convolutions of the layers after the first are wide; else they keep the length."""
        return not (self.shortcut or self.branches)

    @property
    def stages(self) -> int:
        """What follows the first layer, each after local pooling: pairs of layers with shortcuts, else layers."""
        return (len(self.region_sizes) - 1) // (2 if self.shortcut else 1)

    @property
    def features(self) -> int:
        """Length of the penultimate layer: one value per map of the last layer."""
        return self.feature_maps[-1]


@documented
@dataclass(frozen=True, kw_only=True)
class DPCNNConfig(NetworkConfig):
    """The deep pyramid CNN of Johnson and Zhang (2017), with fewer maps than the paper's 250 (`textcnn.nn.dpcnn`)."""

    region_sizes: tuple[int, ...] = option((1, 3, 5), **_REGION_SIZES)
    feature_maps: int = option(50, **_FEATURE_MAPS)
    blocks: int = option(
        4, "Blocks of two convolutions, at most; before each but the first, pooling halves the text.", least=1, below=31
    )
    activation: str = option("relu", **_ACTIVATION)

    @property
    def features(self) -> int:
        """Length of the penultimate layer, and maps of each other layer: one for each filter of a region size."""
        return len(self.region_sizes) * self.feature_maps


def _count_layers(config: DCNNConfig | StackedConfig) -> int:
    """Return the number of layers; ConfigError unless region sizes and feature maps have one number for each."""
    layers = len(config.region_sizes)
    if len(config.feature_maps) != layers:
        raise ConfigError(
            f"feature_maps: expected one number for each of the {layers} region sizes, found {config.feature_maps}"
        )
    return layers


def to_json(config: Checked) -> dict[str, Any]:
    """Return the settings as a JSON object."""
    return dataclasses.asdict(config)  # type: ignore[call-overload]


def from_json(kind: type[Config], values: Any, *, where: str) -> Config:
    """Read settings back from a JSON object; a missing one takes its default.

    Args:
        kind: the dataclass.
        values: what `to_json` gave.
        where: names the file in errors.

    Raises:
        ConfigError: not an object, an unknown setting, or a value out of its range.
    """
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: expected an object of settings, found {quoted(values)}")
    unknown = sorted(values.keys() - names)
    if unknown:
        raise ConfigError(f"{where}: expected the settings {sorted(names)}, found {quoted(unknown)} beside them")
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
