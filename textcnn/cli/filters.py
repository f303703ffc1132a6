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
    from textcnn.explain.ascent import Wanted
    from textcnn.explain.filters import Filter
    from textcnn.inference import Predictor

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
    from textcnn.data import load_corpus
    from textcnn.explain.filters import describe_filters
    from textcnn.inference import load_model

    predictor = load_model(model)
    try:
        if second:
            from textcnn.explain.ascent import ascend

            wanted = ascend(predictor, most=most)
            told = _json([vars(one) for one in wanted]) if form == "json" else _second(wanted)
        else:
            import pyarrow as pa

            corpus = load_corpus(data, **reading)
            texts = pa.chunked_array(
                [chunk for part in corpus.values() for chunk in part.with_format("arrow")[:]["text"].chunks],
                pa.string(),
            )
            filters = describe_filters(predictor, texts, most=most, ngrams=ngrams, word=word)
            told = _json([one.to_json() for one in filters]) if form == "json" else _text(predictor, filters)
    except ValueError as error:
        raise ConfigError(f"{'--word' if word else '--second'}: {error}") from None
    write_out(told, output, overwrite=overwrite)


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


def _second(wanted: list[Wanted]) -> str:
    lines = ["second layer: words nearest to what gradient ascent finds (response, at the start)"]
    for one in wanted:
        lines.append(click.style(one.name, bold=True) + f"  {one.response:.2f} ({one.start:.2f})")
        lines += _wrapped("wants", [" | ".join(one.words)])
    return "\n".join(lines) + "\n"


def _wrapped(title: str, told: list[str]) -> list[str]:
    return textwrap.wrap(
        "   ".join(told), _WIDTH, initial_indent=f"  {title}  ", subsequent_indent=" " * 9, break_on_hyphens=False
    )
