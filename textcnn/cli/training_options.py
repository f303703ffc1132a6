"""The options of `textcnn train` that are settings: one for each row of the table `OPTIONS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from textcnn.cli.common import Decorated, option
from textcnn.settings import config
from textcnn.settings.options import OPTIONS
from textcnn.settings.presets import RECIPE

_CHOICES = {
    "architecture": tuple(config.ARCHITECTURES),
    "channels": config.CHANNELS,
    "multichannel_filters": config.MULTICHANNEL_FILTERS,
    "activation": config.ACTIVATIONS,
    "padding": config.PADDINGS,
    "pooling": config.POOLINGS,
    "global_pooling": config.GLOBAL_POOLINGS,
    "tokenizer": config.TOKENIZERS,
    "optimizer": config.OPTIMIZERS,
    "precision": config.PRECISIONS,
    "monitor": config.MONITORS,
}
_GROUPS = {"arch": "Model", "model": "Model", "text": "Text", "training": "Training"}
_DEFAULTS: dict[str, Any] = {
    **vars(config.DCNNConfig()),
    **vars(config.StackedConfig()),
    **vars(config.KimConfig()),
    **vars(config.TextConfig()),
    **vars(config.TrainingConfig()),
    "architecture": "kim",
    **RECIPE,
    # None: decided by the architecture or the word vectors
    **dict.fromkeys(("channels", "dimension", "region_sizes", "feature_maps", "max_norm")),
}
_NUMBERS = {"dimension": int, "max_size": int, "max_length": int, "learning_rate": float, "max_norm": float}
_LISTS = {"region_sizes": int, "feature_maps": int, "l2": float}


def _numbers(kind: type[int] | type[float]) -> Callable[..., Any]:
    """Reads one number, or several between commas."""

    def parse(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        try:
            numbers = tuple(kind(number) for number in value.split(",")) if isinstance(value, str) else (value,)
        except ValueError:
            example = "3,4,5" if kind is int else "0.001,0.0001,0"
            raise click.BadParameter(f"expected numbers such as {example}, found {value!r}") from None
        return numbers if len(numbers) > 1 else numbers[0]

    return parse


def _names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Reads names between commas."""
    return () if value is None else tuple(value.split(","))


def settings_options(command: Decorated) -> Decorated:
    """One option for each row of the table `OPTIONS`."""
    for row in reversed(OPTIONS):
        default = _DEFAULTS[row.field]
        kwargs: dict[str, Any] = {"help": row.help[0].upper() + row.help[1:] + ".", "default": default}
        if row.field in _CHOICES:
            kwargs["type"] = click.Choice(_CHOICES[row.field])
        elif row.field in _NUMBERS:
            kwargs["type"] = _NUMBERS[row.field]
        elif row.field == "freeze":
            kwargs.update(type=str, metavar="LAYERS", callback=_names, default=None)
        elif row.field in _LISTS:
            kwargs.update(type=str, metavar="NUMBERS", callback=_numbers(_LISTS[row.field]))
        kwargs["show_default"] = kwargs["default"] is not None
        command = option(row.flag, row.keyword, group=_GROUPS[row.component], **kwargs)(command)
    return command
