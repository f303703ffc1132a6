"""All settings of a run by their flat names: the estimator's keywords and the command line's flags.

The table is derived from the fields of the settings dataclasses, where each setting is declared.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError, listed, nearest_names, quoted
from textcnn.settings._fields import Option, option_of
from textcnn.settings.architectures import ARCHITECTURES, architecture_named
from textcnn.settings.config import KimConfig, NetworkConfig, TextConfig, to_json
from textcnn.settings.training import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that governs a training run.

    Attributes:
        text: how texts are read.
        model: the network.
        training: how it is trained.
        vectors: file of word vectors, or gensim's `KeyedVectors`; None for none.
        vector_dimension: the dimension that they must have; None takes theirs.
        trust_pickle: whether a file of gensim's own form, which is unpickled, may be read.
        max_words: number of words of `vectors` to read, from the first; None reads all.
        init_from: folder of a saved model to start from, or None.
    """

    text: TextConfig = field(default_factory=TextConfig)
    model: NetworkConfig = field(default_factory=KimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    vectors: Any = None
    vector_dimension: int | None = None
    trust_pickle: bool = False
    max_words: int | None = None
    init_from: Path | None = None

    def identity(self) -> dict[str, Any]:
        """Return what two runs of the same settings have in common, as JSON; vectors are compared by content."""
        return {
            "text settings": to_json(self.text),
            "model settings": to_json(self.model),
            "training settings": to_json(self.training),
        }


@dataclass(frozen=True)
class Setting:
    """A setting under its flat name.

    Attributes:
        keyword: of the estimator.
        component: `arch`, `model`, `text` or `training`.
        name: the field of that component's dataclass.
        option: help, flag and check.
        default: None where it depends on the architecture or on other settings.
        help: for the command line, with what None means.
    """

    keyword: str
    component: str
    name: str
    option: Option
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The flag of the command line."""
        return self.option.flag or "--" + self.name.replace("_", "-")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names by which the flag is asked for, without dashes: the keyword, and those of other programs."""
        return self.keyword.replace("_", "-"), *self.option.aliases


def all_settings() -> dict[str, Setting]:
    """Return every setting by keyword, the network's first."""
    arch = Option(help="Network: Kim (2014), DCNN (Kalchbrenner et al. 2014) or stacked convolutions.", kind=str,
                  choices=tuple(ARCHITECTURES), flag="--arch")  # fmt: skip
    found = [Setting("arch", "arch", "architecture", arch, "kim", arch.help)]
    fields: dict[str, dict[str, dataclasses.Field[Any]]] = {}  # of the networks: by name, then by architecture
    for architecture in ARCHITECTURES.values():
        for one in dataclasses.fields(architecture.config):
            fields.setdefault(one.name, {})[architecture.name] = one
    found += [_setting_of_networks(name, those) for name, those in fields.items()]
    for component, config in (("text", TextConfig), ("training", TrainingConfig)):
        for one in dataclasses.fields(config):
            about = option_of(one)
            found.append(_setting(component, one.name, about, one.default, about.help))
    return {setting.keyword: setting for setting in found}


def _setting(component: str, name: str, option: Option, default: Any, text: str) -> Setting:
    if option.unset:
        default, text = None, f"{text} [{option.unset}]"
    return Setting(option.keyword or name, component, name, option, default, text)


def _setting_of_networks(name: str, fields: dict[str, dataclasses.Field[Any]]) -> Setting:
    """Return one setting for the field of that name in the architectures that have it."""
    option = option_of(next(iter(fields.values())))
    text = option.help
    if len(fields) < len(ARCHITECTURES):
        *others, last = fields
        text = f"For {', '.join(others)}{' and ' * bool(others)}{last}: {text[0].lower()}{text[1:]}"
    defaults = {arch: one.default for arch, one in fields.items()}
    if len(set(defaults.values())) == 1:
        return _setting("model", name, option, next(iter(defaults.values())), text)
    shown = (f"{arch} {','.join(map(str, x)) if isinstance(x, tuple) else x}" for arch, x in defaults.items())
    return _setting("model", name, option, None, f"{text} [{'; '.join(shown)}]")


def make_settings(
    keywords: Mapping[str, Any],
    *,
    vectors: Any = None,
    trust_pickle: bool = False,
    max_words: int | None = None,
    init_from: Path | None = None,
) -> Settings:
    """Return settings from flat keywords (`all_settings`); those left out take their defaults.

    None means the architecture's own default where the two differ. `channels=None` means `rand` without word vectors
    and `non-static` with them; `dimension=None` with word vectors means theirs.

    Raises:
        ConfigError: an unknown keyword, a value out of range, or settings that contradict each other.
    """
    table = all_settings()
    unknown = sorted(keywords.keys() - table.keys())
    if unknown:
        near = nearest_names(unknown[0], table) or f", such as {', '.join([*table][:5])}"
        raise ConfigError(f"{unknown[0]}: expected the name of a setting{near}")
    architecture = architecture_named(keywords.get("arch", table["arch"].default))
    parts: dict[str, dict[str, Any]] = {"text": {}, "model": {}, "training": {}, "arch": {}}
    for keyword, setting in table.items():
        parts[setting.component][setting.name] = keywords.get(keyword, setting.default)
    settings = Settings(
        text=TextConfig(**parts["text"]),
        model=_network_config(architecture.name, parts["model"], table, vectors=vectors),
        training=TrainingConfig(**parts["training"]),
        vectors=vectors,
        vector_dimension=parts["model"]["dimension"],
        trust_pickle=trust_pickle,
        max_words=max_words,
        init_from=init_from,
    )
    _check_together(settings, architecture.name)
    return settings


def _check_together(settings: Settings, arch: str) -> None:
    """Raise ConfigError for settings that contradict each other."""
    if settings.training.precision != "fp32" and not settings.model.projects_words:
        raise ConfigError(
            f"precision: expected fp32 for the architecture {arch}, whose first layer is no matrix product, "
            f"found {settings.training.precision!r}; leave it out"
        )
    if settings.max_words is not None and settings.vectors is None:
        raise ConfigError("max_words: expected a file of word vectors with it, found none; give one (--vectors FILE)")
    if settings.init_from is not None:
        return  # the channels are those of that model
    if settings.model.pretrained and settings.vectors is None:
        raise ConfigError(
            f"channels {settings.model.channels}: expected a file of word vectors, found none; "
            "give one (--vectors FILE) or use the channels rand"
        )
    if settings.vectors is not None and not settings.model.pretrained:
        raise ConfigError(
            "channels rand: expected no word vectors, found a file of them; "
            "leave the file out or use static, non-static or multichannel"
        )


def _network_config(
    arch: str, values: Mapping[str, Any], table: Mapping[str, Setting], *, vectors: Any
) -> NetworkConfig:
    """Return the architecture's settings; those that only others have must be left at their defaults."""
    config = ARCHITECTURES[arch].config
    names = {one.name for one in dataclasses.fields(config)}
    defaults = {setting.name: setting.default for setting in table.values() if setting.component == "model"}
    for name in values.keys() - names:
        if values[name] not in (None, defaults[name]):
            raise ConfigError(
                f"{name}: expected none for the architecture {arch}, which has no such setting, "
                f"found {values[name]!r}; leave it out"
            )
    chosen = {name: value for name, value in values.items() if name in names and value is not None}
    chosen.setdefault("channels", "rand" if vectors is None else "non-static")
    return config(**chosen)


def flags_of(keywords: Mapping[str, Any]) -> list[str]:
    """Return settings as flags for a shell, such as `--region-sizes 3,4,5`.

    Args:
        keywords: flat keywords.
    """
    table, found = all_settings(), []
    for keyword, value in keywords.items():
        flag, separator = table[keyword].flag, table[keyword].option.separator
        if isinstance(value, bool):
            found.append(flag.split("/")[0 if value else 1])
            continue
        if isinstance(value, Mapping):
            value = json.dumps(value)
        written = separator.join(map(str, value)) if isinstance(value, tuple) else str(value)
        found.append(f"{flag} {shlex.quote(written)}")
    return found


def ordered_class_weights(weights: Any, classes: Sequence[Any]) -> str | tuple[float, ...] | None:
    """Return class weights in the order of the classes.

    Args:
        weights: None, `balanced`, or a mapping of each label to its weight.
        classes: the labels.

    Raises:
        ConfigError: weights of another form, or not one for each label.
    """
    if weights is None or isinstance(weights, str):
        return weights
    if not isinstance(weights, Mapping):
        raise ConfigError(f"class_weight: expected None, 'balanced' or a mapping, found {quoted(weights)}")
    if set(weights) != set(classes):
        expected, found = listed([quoted(label) for label in classes]), listed([quoted(label) for label in weights])
        raise ConfigError(f"class_weight: expected a weight for each of the classes {expected}, found some for {found}")
    return tuple(weights[label] for label in classes)
