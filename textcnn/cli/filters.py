"""`textcnn filters`: what the filters of a model respond to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import (
    GroupedCommand,
    corpus_options,
    data_or_sample,
    model_option,
    option,
    output_options,
    write_out,
)
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import TextLayout

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.text import Text

    from textcnn.explain.filter_responses import Filter
    from textcnn.model import Model

_MARGIN = 9


@click.command(cls=GroupedCommand)
@click.argument("data", required=False, type=Source())
@model_option
@corpus_options
@option(
    "--layer",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    show_default=True,
    group="Output",
    help="Layer of the filters: 1 are those over the words (dpcnn: the region embedding), the next numbers the "
    "convolutions above in their order.",
)
@option(
    "--most",
    type=click.IntRange(min=1),
    default=8,
    metavar="N",
    show_default=True,
    group="Output",
    help="Number of filters.",
)
@option(
    "--ngrams",
    type=click.IntRange(min=1),
    default=4,
    metavar="N",
    show_default=True,
    group="Output",
    help="Number of n-grams per filter.",
)
@option(
    "--word",
    metavar="WORD",
    group="Output",
    help="Show the first layer's filters with the largest response to this word.",
)
@option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    group="Output",
    help="Form of the output.",
)
@output_options
def command(
    data: str | None,
    model: str,
    reading: dict[str, Any],
    layer: int,
    most: int,
    ngrams: int,
    word: str | None,
    form: str,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Show what the filters of one of a model's layers respond to.

    Filters are listed by importance: the class that each favours, the n-grams of DATA
    (a named corpus or a file of texts; left out, the sample corpus for a model trained
    on it) that it picks, with its responses, and the n-gram that it wants, the one of
    all words with the largest response. The n-grams grow with the layer. Above the
    first one, gradient ascent finds what a filter wants, and the nearest words are
    shown, or * where the word has no effect.

    \b
    Examples:
      textcnn filters
      textcnn filters reviews.csv -m model --word not
      textcnn filters -m dpcnn-model --layer 2
    """
    from textcnn.model import load_model

    trained = load_model(model)
    layout = TextLayout(output)
    texts = _texts(data_or_sample(data, trained, model), reading)
    filters = trained.filters(texts, layer=layer, most=most, ngrams=ngrams, word=word)
    content: str | list[Text]
    if form == "json":
        content = json.dumps([one.to_json() for one in filters], ensure_ascii=False, indent=1) + "\n"
    else:
        content = _as_text(trained, filters, layout)
    write_out(content, output, overwrite=overwrite)


def _texts(data: str, reading: dict[str, Any]) -> pa.ChunkedArray:
    """Return all texts of a corpus."""
    import pyarrow as pa

    from textcnn.data import load_tables

    parts = [table["text"] for table in load_tables(data, **reading).tables.values()]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


def _as_text(model: Model, filters: list[Filter], layout: TextLayout) -> list[Text]:
    lines = []
    for one in filters:
        head = [layout.text(f"filter {one.name}", "bold")]
        if one.classes is not None:
            best = int(one.classes.argmax())
            head.append(layout.text(f"for {model.classes_[best]} {one.classes[best]:+.2f}"))
        head.append(layout.text(f"active in {one.active:.0%} of the texts, mean {one.mean:.2f}"))
        lines += layout.row("", head, 0, "  ")
        picked = [f"{p.text} {p.response:.2f}" + (f" ({p.count} texts)" if p.count > 1 else "") for p in one.picked]
        lines += layout.row("  picks", picked, _MARGIN)
        lines += layout.row("  wants", [" | ".join(one.wants) + f" {one.most:.2f}"], _MARGIN)
    return lines
