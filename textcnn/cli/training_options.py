"""What `textcnn train`, `tune` and `distill` share: where to save, what to read, and the settings as flags.

The flags are derived from the fields that declare the settings (`textcnn.settings`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import CORPUS, DEFAULT_MODEL, Decorated, collecting, option
from textcnn.errors import ConfigError, quoted
from textcnn.settings.options import Setting, all_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUPS = {"arch": "Model", "model": "Model", "text": "Text", "training": "Training"}
_EXAMPLES = {int: "3,4,5", float: "0.001,0.0001,0", str: "embeddings,convolution"}


_DESTINATION: tuple[Callable[[Any], Any], ...] = (
    option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default=DEFAULT_MODEL,
        metavar="MODEL",
        show_default=True,
        group="Output",
        aliases=("out", "output-dir", "save", "model"),
        help="Folder to save the model in.",
    ),
    option("--overwrite", is_flag=True, group="Output", aliases=("force",), help="Replace a model that is there."),
    option(
        "--report/--no-report",
        default=True,
        group="Output",
        help="Write a page on the model into its folder [default: report].",
    ),
)

corpus_and_split_options = collecting(
    "reading",
    {
        **CORPUS,
        "validation": option(
            "--validation",
            type=click.Path(),
            aliases=("dev",),
            metavar="FILE",
            group="Data",
            help="File of validation texts [a share of the training texts, or folds of few].",
        ),
        "test": option(
            "--test",
            type=click.Path(),
            metavar="FILE",
            group="Data",
            help="File of test texts, scored once after training.",
        ),
        "least_texts": option(
            "--least-texts",
            type=click.IntRange(min=1),
            default=1,
            metavar="N",
            show_default=True,
            group="Data",
            aliases=("min-texts",),
            help="Leave out labels of fewer training texts, and their texts.",
        ),
        "merge_rare": option(
            "--merge-rare",
            metavar="LABEL",
            group="Data",
            help="With --least-texts, give texts of such labels this one instead.",
        ),
        "weight_column": option(
            "--weight-column",
            metavar="NAME",
            group="Data",
            aliases=("sample-weight",),
            help="Column of the training texts' weights, numbers from 0 on.",
        ),
        "phrases": option(
            "--phrases/--no-phrases",
            default=True,
            group="Data",
            help="sst1, sst2: train on phrases too [default: phrases].",
        ),
    },
)
"""Adds the options on how to read DATA and other texts; the command receives them as `reading`, as of `load_corpus`."""

vectors_options = collecting(
    "word_vectors",
    {
        "vectors": option(
            "--vectors",
            type=click.Path(path_type=Path),
            metavar="FILE",
            group="Model",
            aliases=("embeddings", "pretrained", "word-vectors"),
            help="File of word vectors: word2vec, GloVe, fastText or gensim .kv.",
        ),
        "max_words": option(
            "--max-words",
            type=click.IntRange(min=1),
            metavar="N",
            group="Model",
            help="Read only the first N words of the vectors file.",
        ),
        "trust_pickle": option(
            "--trust-pickle", is_flag=True, group="Model", help="Read vectors in gensim's own form, which can run code."
        ),
    },
)
"""Adds the options on word vectors; the command receives them as `word_vectors`, keywords of `make_settings`."""


init_from_option = option(
    "--init-from",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    group="Model",
    help="Folder of a saved model to start from, whose settings are then taken.",
)


def destination_options(command: Decorated) -> Decorated:
    """Add the options on where the model is saved, and whether a page is."""
    for add in reversed(_DESTINATION):
        command = add(command)
    return command


def settings_options(command: Decorated) -> Decorated:
    """Add a flag for each setting."""
    for setting in reversed(all_settings().values()):
        command = option(
            *(setting.flag, setting.keyword),
            group=_GROUPS[setting.component],
            help=setting.help,
            aliases=setting.aliases,
            **_about(setting),
        )(command)
    return command


def _about(setting: Setting) -> dict[str, Any]:
    """Return what click needs to know of a setting beside its name and help."""
    about = setting.option
    shown = setting.default is not None and setting.default != ()
    if setting.name == "class_weight":
        return {"callback": _class_weights, "metavar": "WEIGHTS", "default": None}
    if about.values != "one" or isinstance(setting.default, tuple) or _has_several(setting):
        metavar = "LAYERS" if about.kind is str else "NUMBERS"
        return {
            "callback": _several(setting, () if setting.default == () else None),
            "metavar": metavar,
            "default": _joined(setting),
            "show_default": shown,
        }
    kind = click.Choice(about.choices) if about.choices else None if about.kind is bool else about.kind
    return {"type": kind, "default": setting.default, "show_default": shown}


def _has_several(setting: Setting) -> bool:
    """Return whether some network takes several numbers for the setting (Kim's feature maps are one number)."""
    from textcnn.settings.architectures import ARCHITECTURES

    defaults = (getattr(architecture.config, setting.name, None) for architecture in ARCHITECTURES.values())
    return setting.component == "model" and any(isinstance(default, tuple) for default in defaults)


def _joined(setting: Setting) -> str | None:
    default = setting.default
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or None
    return None if default is None else str(default)


def _several(setting: Setting, missing: tuple[()] | None) -> Callable[..., Any]:
    """Return a callback that reads one value, or several with separators; without a flag it gives `missing`."""
    kind, separator = setting.option.kind, setting.option.separator

    def parse(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        if value is None:
            return missing
        try:
            values = tuple(kind(item) for item in value.split(separator))
        except ValueError:
            example = "3-5" if separator == "-" else _EXAMPLES[kind]
            raise click.BadParameter(f"expected numbers such as {example}, found {quoted(value)}") from None
        return values if len(values) > 1 or kind is str else values[0]

    return parse


def _class_weights(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Read `balanced`, a JSON object of weights by class name, or `name=weight,...`."""
    if value is None or value == "balanced":
        return value
    try:
        if value.lstrip().startswith("{"):
            return {name: float(weight) for name, weight in json.loads(value).items()}
        return {name: float(weight) for name, _, weight in (part.rpartition("=") for part in value.split(","))}
    except (ValueError, TypeError, AttributeError):
        raise click.BadParameter(
            f'expected balanced, weights such as good=1,bad=2, or an object such as {{"good": 1, "bad": 2}}, '
            f"found {quoted(value)}"
        ) from None


@contextmanager
def flags_in_errors() -> Iterator[None]:
    """Name a setting that is refused by its flag."""
    try:
        yield
    except ConfigError as error:
        name, colon, reason = str(error).partition(":")
        flags = {setting.name: setting.flag for setting in all_settings().values()} | {
            "max_words": "--max-words",
            "max_mb": "--max-mb",
        }
        raise ConfigError(f"{flags.get(name, name)}{colon}{reason}") from None
