"""What is searched: for each setting that the caller leaves open, the values to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from textcnn.errors import ConfigError
from textcnn.settings.architectures import ARCHITECTURES
from textcnn.settings.config import NetworkConfig
from textcnn.settings.options import all_settings, make_settings
from textcnn.settings.training import LEARNING_RATES

if TYPE_CHECKING:
    from optuna.trial import Trial

# Of each network. A study keeps numbers and strings, so region sizes are written as on the command line.
_REGION_SIZES = {
    "kim": ("3", "5", "7", "2,3", "1,2,3", "2,3,4", "3,4,5", "2,3,4,5", "3,5,7", "5,7,9"),
    "stacked": ("2,2", "3,3", "5,3", "5,5", "3,3,3"),
    "dpcnn": ("3", "5", "1,3", "3,5", "1,3,5"),
    "dcnn": ("5", "10", "5,3", "7,5", "10,7", "9,7,5"),
}
_FEATURE_MAPS = {
    "kim": (25, 50, 100, 200, 400),
    "stacked": (25, 50, 100, 200),
    "dpcnn": (25, 50, 100),
    "dcnn": (3, 6, 12),
}  # of the first layer
_DIMENSIONS = {
    **dict.fromkeys(("kim", "stacked", "dpcnn"), (50, 100, 200, 300)),
    "dcnn": (24, 48, 96),
}
_GROWTH = {"stacked": 1.0, "dcnn": 14 / 6}  # feature maps of a layer over those of the one before, as in the defaults


class Axis(NamedTuple):
    """A setting that is searched.

    Attributes:
        name: in the study; one that has other values for each network is named after it too.
        keyword: of the setting.
        default: where the first trial is.
        choices: the values to try; none for a range.
        low: least value of a range.
        high: largest.
        step: between two values of a range; None for a range of factors.
    """

    name: str
    keyword: str
    default: Any
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None

    def suggest(self, trial: Trial) -> Any:
        """Let a trial choose a value."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.step is None)


class Space:
    """The values to try of all settings that are left open.

    Args:
        fixed: the settings that are not searched, as flat keywords (`textcnn.settings.options.all_settings`).
        vectors: as of `make_settings`, as are `options`.

    Attributes:
        architectures: the networks to try: those that have the fixed settings.

    Raises:
        ConfigError: the fixed settings are wrong, contradict each other, or leave nothing open.
    """

    def __init__(self, fixed: Mapping[str, Any], *, vectors: Any = None, **options: Any) -> None:
        self.fixed, self.vectors = dict(fixed), vectors
        self.options = {"vectors": vectors, **options}
        first = fixed.get("arch", all_settings()["arch"].default)
        names = [first] if "arch" in fixed else [first, *(name for name in ARCHITECTURES if name != first)]
        refused: list[ConfigError] = []
        self.architectures = []
        for name in names:
            try:
                make_settings({**fixed, "arch": name}, **self.options)
                self.architectures.append(name)
            except ConfigError as error:
                refused.append(error)
        if not self.architectures:
            raise refused[0]
        if not self.defaults():
            raise ConfigError("expected a setting to search, found all of them fixed; leave some out")

    def axes(self, arch: str) -> list[Axis]:
        """Return what is searched of a network."""
        network = ARCHITECTURES[arch].config
        found = [*self._of_network(arch, network), *self._of_all(network)]
        return [axis for axis in found if axis.keyword not in self.fixed]

    def _of_network(self, arch: str, network: type[NetworkConfig]) -> list[Axis]:
        """Return the settings that have values of their own for each network."""
        default = network()
        sizes: Sequence[str] = _REGION_SIZES.get(arch, ())
        if isinstance(maps := self.fixed.get("feature_maps"), tuple):  # one number for each layer
            sizes = [one for one in sizes if one.count(",") + 1 == len(maps)]
        written = ",".join(map(str, default.region_sizes))
        found = [Axis(f"{arch}.region_sizes", "region_sizes", written, tuple(sizes))] if written in sizes else []
        if choices := _FEATURE_MAPS.get(arch):
            maps = default.feature_maps  # type: ignore[attr-defined]
            first = maps[0] if isinstance(maps, tuple) else maps
            found.append(Axis(f"{arch}.feature_maps", "feature_maps", first, choices))
        if arch in _DIMENSIONS and self.vectors is None:
            found.append(Axis(f"{arch}.dimension", "dimension", default.dimension, _DIMENSIONS[arch]))
        return found

    def _of_all(self, network: type[NetworkConfig]) -> list[Axis]:
        """Return the settings that have the same values to try for every network."""
        found = [
            Axis("learning_rate", "learning_rate", self._rate, low=self._rate / 10, high=self._rate * 10),
            Axis("dropout", "dropout", 0.5, low=0.0, high=0.8, step=0.05),
            Axis("max_norm", "max_norm", network.default_max_norm, (0.0, 1.0, 3.0, 10.0)),
            Axis("ngrams", "ngrams", 2, (0, 1, 2, 3)),
            Axis("tokenizer", "tokenizer", "unicode", ("unicode", "kim", "whitespace")),
            Axis("lowercase", "lowercase", True, (True, False)),
            Axis("min_count", "min_count", 1, (1, 2, 3, 5)),
        ]
        if self.vectors is not None:
            found.append(Axis("channels", "channels", "non-static", ("static", "non-static", "multichannel")))
            found.append(Axis("vector_norm", "vector_norm", 5.0, (0.0, 3.0, 5.0, 8.0, 12.0)))
        return found

    @property
    def _rate(self) -> float:
        """The usual learning rate."""
        return LEARNING_RATES[self.fixed.get("optimizer", "adam")]

    def suggest(self, trial: Trial) -> None:
        """Let a trial choose a value of every setting that is open."""
        arch = self.architectures[0]
        if len(self.architectures) > 1:
            arch = trial.suggest_categorical("arch", self.architectures)
        for axis in self.axes(arch):
            axis.suggest(trial)

    def defaults(self) -> dict[str, Any]:
        """Return the default of every setting that is open, by its name in the study."""
        arch = self.architectures[0]
        found: dict[str, Any] = {"arch": arch} if len(self.architectures) > 1 else {}
        return found | {axis.name: axis.default for axis in self.axes(arch)}

    def keywords(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a trial chose as flat keywords, rounded so that they can be typed.

        Args:
            values: by their names in the study.
        """
        arch = values.get("arch", self.architectures[0])
        found: dict[str, Any] = {"arch": arch} if "arch" in values else {}
        found |= {axis.keyword: values[axis.name] for axis in self.axes(arch) if axis.name in values}
        if "region_sizes" in found:
            found["region_sizes"] = tuple(map(int, found["region_sizes"].split(",")))
        if "feature_maps" in found and arch in _GROWTH:
            sizes = found.get("region_sizes", self.fixed.get("region_sizes", ARCHITECTURES[arch].config().region_sizes))
            layers = len(sizes) if isinstance(sizes, tuple) else 1
            found["feature_maps"] = tuple(round(found["feature_maps"] * _GROWTH[arch] ** i) for i in range(layers))
        for keyword, form in (("learning_rate", ".2g"), ("dropout", ".2f")):
            if keyword in found:
                found[keyword] = float(format(found[keyword], form))
        if found.get("learning_rate") == self._rate:  # left open, as by default: it goes with the size of the batches
            del found["learning_rate"]
        return found

    def settings(self, values: Mapping[str, Any]) -> Any:
        """Return the settings (`textcnn.settings.options.Settings`) of a trial.

        Raises:
            ConfigError: what it chose contradicts what is fixed.
        """
        return make_settings({"arch": self.architectures[0], **self.fixed, **self.keywords(values)}, **self.options)
