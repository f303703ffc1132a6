"""`textcnn evaluate`: a saved model's scores on labelled texts."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import (
    GroupedCommand,
    corpus_options,
    data_or_sample,
    labelled_split,
    model_option,
    option,
    scored_corpus,
    split_option,
)
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import TextLayout, neutralize
from textcnn.errors import ConfigError, nearest_names, quoted
from textcnn.targets import SEVERAL_LABELS, Target

if TYPE_CHECKING:
    from rich.text import Text

_NUMBERS = 38  # columns that the numbers of a class take
_THRESHOLD = 11  # columns that a threshold takes
_HEAD = 8  # columns of a class name above the confusion matrix


@click.command(cls=GroupedCommand)
@click.argument("data", required=False, type=Source())
@model_option
@corpus_options
@split_option
@option("--json", "as_json", is_flag=True, group="Output", help="Print all figures as one JSON object.")
@option(
    "--at-least",
    "least",
    multiple=True,
    metavar="FIGURE=VALUE",
    group="Output",
    help="End with exit code 1 where a figure is lower, such as accuracy=0.9 or macro_f1=0.8. May be given several "
    "times.",
)
def command(
    data: str | None,
    model: str,
    reading: dict[str, Any],
    split: str | None,
    as_json: bool,
    least: tuple[str, ...],
) -> None:
    """Score a saved model on DATA: a named corpus or a file of labelled texts.

    Without DATA, a model trained on the built-in sample corpus is scored on that.

    \b
    Examples:
      textcnn evaluate
      textcnn evaluate held-out.csv -m model --json
      textcnn evaluate held-out.csv -m model --at-least accuracy=0.9
    """
    from textcnn.model import load_model

    trained = load_model(model)
    floors = [_floor(each, trained.target) for each in least]
    data = data_or_sample(data, trained, model)
    corpus, split, name = scored_corpus(data, split, reading, trained)
    figures = trained.evaluate(*labelled_split(corpus, split, trained))
    figures = {"model": str(model), "data": data, "split": name, **figures}
    if as_json:
        click.echo(neutralize(json.dumps(figures, ensure_ascii=False)))
    else:
        layout = TextLayout()
        layout.show(_lines(figures, layout, trained.target))
    low = [(name, floor, figures[name]) for name, floor in floors if figures[name] is None or figures[name] < floor]
    if low:
        found = "; ".join(
            f"{name} of at least {floor:g}, found {'none' if figure is None else figure}" for name, floor, figure in low
        )
        click.echo(neutralize(f"Error: {data}: expected {found}", sys.stderr), err=True)
        sys.exit(1)


_NAMES = {
    "log_loss": "log-loss",
    "samples_f1": "F1 per text",
    "average_precision": "average precision",
    "ranking_loss": "ranking loss",
}
_OF_SEVERAL = ("samples_f1", "average_precision")  # figures of several labels that are better when larger


def _floor(given: str, target: Target) -> tuple[str, float]:
    """Return the figure of `--at-least` and what it must reach."""
    name, _, number = given.partition("=")
    known = [*dict(target.shown), *(_OF_SEVERAL if target is SEVERAL_LABELS else ())]
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ConfigError(
            f"--at-least: expected a figure and a number from 0 to 1, such as accuracy=0.9, found {quoted(given)}"
        )
    if name not in known:
        raise ConfigError(
            f"--at-least: expected one of the figures {', '.join(known)}, found {quoted(name)}"
            f"{nearest_names(name, known)}"
        )
    return name, value


def _lines(figures: dict[str, Any], layout: TextLayout, target: Target) -> list[str | Text]:
    from textcnn.metrics import confusion_matrix

    title = f"{figures['model']} on {figures['data']} ({figures['split']}), {figures['examples']:,} texts"
    out: list[str | Text] = [*layout.wrapped(layout.text(title)), ""]
    several = target is SEVERAL_LABELS
    titles = dict(target.shown) | {key: name for key, name in _NAMES.items() if figures.get(key) is not None}
    margin = max(map(len, titles.values())) + 2 if several else 11
    for key, name in titles.items():
        out += layout.paragraph(name, f"{figures[key]:.4f}", margin)
    if not several:
        majority = [f"{figures['majority']:.4f}", "(always predicting the most frequent class)"]
        out += layout.row("majority", majority, margin, "  ")
    names = [layout.text(row["name"]) for row in figures["classes"]]
    numbers = _NUMBERS + _THRESHOLD * several
    width = min(max(5, *(name.cell_len for name in names)), max(layout.width - numbers, 5))
    what = "label" if several else "class"
    out += ["", f"{what:<{width}}  precision  recall      F1  support{'  threshold' * several}"]
    for row in figures["classes"]:
        line = f"{layout.cell(row['name'], width)}  {row['precision']:>9.4f}  {row['recall']:.4f}  {row['f1']:.4f}"
        out.append(f"{line}  {row['support']:>7,}" + (f"  {row['threshold']:>9.4f}" if several else ""))
    if several:
        return out
    out += ["", *layout.wrapped(layout.text("confusion matrix (rows: true class, columns: predicted)"))]
    largest = max(figures["confusion"]["texts"], default=0)
    wide = max(*(min(name.cell_len, _HEAD) for name in names), len(f"{largest:,}"))
    if width + len(names) * (wide + 2) > layout.width:
        return [*out, f"too wide for {layout.width} columns; see --json"]

    def head(name: Text) -> str:
        return layout.cell(layout.cell(name.plain, min(name.cell_len, _HEAD)), wide, right=True)

    out.append(" " * width + "  " + "  ".join(head(name) for name in names))
    for label, row in zip(names, confusion_matrix(figures).tolist(), strict=True):
        out.append(f"{layout.cell(label.plain, width)}  " + "  ".join(f"{cell:>{wide},}" for cell in row))
    return out
