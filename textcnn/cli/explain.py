"""`textcnn explain`: why a model labels texts as it does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from textcnn.cli.common import GroupedCommand, model_option, option, output_options, write_out


@click.command(cls=GroupedCommand)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@output_options
@option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "html")),
    group="Output",
    help="Form of the output [html for an output named so, else text].",
)
@option(
    "--counterfactual",
    "seconds",
    is_flag=False,
    flag_value=1.0,
    type=float,
    metavar="SECONDS",
    group="Output",
    help="Seek a small change that flips the label, so long for a text [1].",
)
def command(
    texts: tuple[str, ...], model: Path, output: Path | None, overwrite: bool, form: str | None, seconds: float | None
) -> None:
    """Explain the labels of TEXTs, or of the lines of stdin.

    Words and n-grams are shown with their scores: what they add to the logit of the
    label, less what they add to the mean of all classes. For Kim's network the
    scores are exact and sum up to the whole; for the others they are integrated
    gradients, and what they miss is said.

    \b
    Examples:
      textcnn explain "not bad at all"
      textcnn explain "a waste of a good cast" --counterfactual 2
      textcnn explain --format html -o why.html < lines.txt
    """
    from textcnn.explain.counterfactual import counterfactual
    from textcnn.inference import load_model

    predictor = load_model(model)
    form = form or ("html" if output is not None and output.suffix in (".html", ".htm") else "text")
    lines = list(texts) if texts else list(_stdin())
    explanations = predictor.explain(lines)
    changes = [None if seconds is None else counterfactual(predictor, line, budget_seconds=seconds) for line in lines]
    if form == "html":
        from textcnn.explain.html import page

        told = page(explanations, changes)
    elif form == "json":
        told = "".join(
            json.dumps(
                explanation.to_json() | ({} if seconds is None else {"counterfactual": change and change.to_json()}),
                ensure_ascii=False,
            )
            + "\n"
            for explanation, change in zip(explanations, changes, strict=True)
        )
    else:
        from textcnn.explain.terminal import lines as as_lines

        told = "".join(as_lines(*pair) + "\n\n" for pair in zip(explanations, changes, strict=True)).removesuffix("\n")
    write_out(told, output, overwrite=overwrite)


def _stdin() -> Iterator[str]:
    """The lines of stdin; `\\n` alone ends one."""
    content = sys.stdin.buffer.read().decode("utf-8", "replace")
    for line in content.removesuffix("\n").split("\n") if content else ():
        yield line.removesuffix("\r")
