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

    from textcnn.explain.ascent import Optimum
    from textcnn.explain.filter_responses import Filter
    from textcnn.model import Model

_MARGIN = 9


@click.command(cls=GroupedCommand)
@click.argument("data", required=False, type=Source())
@model_option
@corpus_options
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
@option("--word", metavar="WORD", group="Output", help="Show the filters with the largest response to this word.")
@option("--second", is_flag=True, group="Output", help="dcnn: show what the second layer wants, by gradient ascent.")
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
    most: int,
    ngrams: int,
    word: str | None,
    second: bool,
    form: str,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Show what the filters of a model's first layer respond to.

    Filters are listed by importance: the class that each favours, the n-grams of DATA
    (a named corpus or a file of texts; left out, the sample corpus for a model trained
    on it) that it picks, with its responses, and the n-gram that it wants, the one of
    all words with the largest response.

    \b
    Examples:
      textcnn filters
      textcnn filters reviews.csv -m model --word not
    """
    from textcnn.model import load_model

    trained = load_model(model)
    layout = TextLayout(output)
    content: str | list[Text]
    if second:
        from textcnn.explain.ascent import ascend

        wanted = ascend(trained, most=most)
        content = _json([vars(one) for one in wanted]) if form == "json" else _second_layer(wanted, layout)
    else:
        filters = trained.filters(
            _texts(data_or_sample(data, trained, model), reading), most=most, ngrams=ngrams, word=word
        )
        rows = [one.to_json() for one in filters]
        content = _json(rows) if form == "json" else _first_layer(trained, filters, layout)
    write_out(content, output, overwrite=overwrite)


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def _texts(data: str, reading: dict[str, Any]) -> pa.ChunkedArray:
    """Return all texts of a corpus."""
    import pyarrow as pa

    from textcnn.data import load_tables

    parts = [table["text"] for table in load_tables(data, **reading).tables.values()]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


def _first_layer(model: Model, filters: list[Filter], layout: TextLayout) -> list[Text]:
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


def _second_layer(wanted: list[Optimum], layout: TextLayout) -> list[Text]:
    head = "second layer: words nearest to what gradient ascent finds (response, response at the start)"
    lines = layout.wrapped(layout.text(head))
    for one in wanted:
        responses = layout.text(f"{one.response:.2f} ({one.start:.2f})")
        lines += layout.row("", [layout.text(one.name, "bold"), responses], 0, "  ")
        lines += layout.row("  wants", [" | ".join(one.words)], _MARGIN)
    return lines
