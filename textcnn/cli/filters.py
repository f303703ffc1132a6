"""`textcnn filters`: what the filters of a model respond to."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import GroupedCommand, corpus_options, model_option, option, output_options, write_out
from textcnn.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.explain.ascent import Optimum
    from textcnn.explain.filter_responses import Filter
    from textcnn.inference.predictor import Predictor

_WIDTH = 79


@click.command(cls=GroupedCommand)
@click.argument("data", default="sample")
@model_option
@corpus_options
@option(
    "--most", type=click.IntRange(min=1), default=8, metavar="N", show_default=True, group="Output", help="Filters."
)
@option(
    "--ngrams", type=click.IntRange(min=1), default=4, metavar="N", show_default=True, group="Output", help="Of each."
)
@option("--word", metavar="WORD", group="Output", help="Show the filters that this word excites most.")
@option("--second", is_flag=True, group="Output", help="dcnn: what its second layer wants, by gradient ascent.")
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
    data: str,
    model: Path,
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

    For each filter, the most important first: the class it speaks for, the n-grams of
    DATA (a named corpus or a file of texts; the sample corpus) that it picks, with its
    responses, and the n-gram that it wants, the one of all words that excites it most.

    \b
    Examples:
      textcnn filters
      textcnn filters reviews.csv -m model --word not
    """
    from textcnn.model import load_model

    predictor = load_model(model)
    if second:
        told = _second_layer(predictor, most, form)
    else:
        told = _first_layer(predictor, _texts(data, reading), word, most, ngrams, form)
    write_out(told, output, overwrite=overwrite)


def _texts(data: str, reading: dict[str, Any]) -> pa.ChunkedArray:
    """All texts of a corpus."""
    import pyarrow as pa

    from textcnn.data import load_corpus

    parts = [part.with_format("arrow")[:]["text"] for part in load_corpus(data, **reading).values()]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


def _first_layer(
    predictor: Predictor, texts: pa.ChunkedArray, word: str | None, most: int, ngrams: int, form: str
) -> str:
    from textcnn.explain.filter_responses import describe_filters

    try:
        filters = describe_filters(predictor, texts, most=most, ngrams=ngrams, word=word)
    except ValueError as error:
        raise ConfigError(f"--word: {error}") from None
    return _json([one.to_json() for one in filters]) if form == "json" else _text(predictor, filters)


def _second_layer(predictor: Predictor, most: int, form: str) -> str:
    from textcnn.explain.ascent import ascend

    try:
        wanted = ascend(predictor, most=most)
    except ValueError as error:
        raise ConfigError(f"--second: {error}") from None
    return _json([vars(one) for one in wanted]) if form == "json" else _second(wanted)


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def _text(predictor: Predictor, filters: list[Filter]) -> str:
    lines = []
    for one in filters:
        head = click.style(f"filter {one.name}", bold=True)
        if one.classes is not None:
            best = int(one.classes.argmax())
            head += f"  for {predictor.classes_[best]} {one.classes[best]:+.2f}"
        lines.append(f"{head}  active in {one.active:.0%} of the texts, mean {one.mean:.2f}")
        picked = [f"{p.text} {p.response:.2f}" + (f" ({p.count} texts)" if p.count > 1 else "") for p in one.picked]
        lines += _wrapped("picks", picked)
        lines += _wrapped("wants", [" | ".join(one.wants) + f" {one.most:.2f}"])
    return "\n".join(lines) + "\n"


def _second(wanted: list[Optimum]) -> str:
    lines = ["second layer: words nearest to what gradient ascent finds (response, at the start)"]
    for one in wanted:
        lines.append(click.style(one.name, bold=True) + f"  {one.response:.2f} ({one.start:.2f})")
        lines += _wrapped("wants", [" | ".join(one.words)])
    return "\n".join(lines) + "\n"


def _wrapped(title: str, told: list[str]) -> list[str]:
    return textwrap.wrap(
        "   ".join(told), _WIDTH, initial_indent=f"  {title}  ", subsequent_indent=" " * 9, break_on_hyphens=False
    )
