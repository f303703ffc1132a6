"""`textcnn explain`: why a model labels texts as it does."""

from __future__ import annotations

import json
from pathlib import Path

import click

from textcnn.cli.common import GroupedCommand, model_option, option, output_options, write_out
from textcnn.cli.stdin import argument_texts, stdin_lines
from textcnn.errors import ConfigError


@click.command(cls=GroupedCommand)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@option("--encoding", default="utf-8", metavar="NAME", show_default=True, group="Data", help="Encoding of stdin.")
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
    "flip",
    is_flag=True,
    group="Output",
    help="Seek a small change of each text that flips its label.",
)
@option(
    "--budget",
    type=click.FloatRange(min=0),
    default=1.0,
    metavar="SECONDS",
    show_default=True,
    group="Output",
    help="Time for changes of two words of a text.",
)
def command(
    texts: tuple[str, ...],
    model: Path,
    encoding: str,
    output: Path | None,
    overwrite: bool,
    form: str | None,
    flip: bool,
    budget: float,
) -> None:
    """Explain the labels of TEXTs, or of the lines of stdin.

    Words and n-grams are shown with their scores: what they add to the logit of the
    label, less what they add to the mean of all classes. For Kim's network the
    scores are exact and sum up to the whole; for the others they are integrated
    gradients, and what they miss is said.

    \b
    Examples:
      textcnn explain "not bad at all"
      textcnn explain "a waste of a good cast" --counterfactual --budget 2
      textcnn explain --format html -o why.html < lines.txt
    """
    if not budget >= 0:  # NaN
        raise ConfigError("--budget: expected seconds from 0 on, found nan")
    from textcnn.explain.counterfactual import counterfactual
    from textcnn.model import load_model

    predictor = load_model(model)
    form = form or ("html" if output is not None and output.suffix in (".html", ".htm") else "text")
    columns = [argument_texts(texts)] if texts else stdin_lines(encoding)
    lines = [text for column in columns for text in column.to_pylist()]
    explanations = predictor.explain(lines)
    changes = [counterfactual(predictor, line, budget_seconds=budget) if flip else None for line in lines]
    if form == "html":
        from textcnn.explain.html import page

        told = page([explanation.to_html(change) for explanation, change in zip(explanations, changes, strict=True)])
    elif form == "json":
        told = "".join(
            json.dumps(
                explanation.to_json() | ({"counterfactual": change and change.to_json()} if flip else {}),
                ensure_ascii=False,
            )
            + "\n"
            for explanation, change in zip(explanations, changes, strict=True)
        )
    else:
        from textcnn.cli.terminal import lines as as_lines

        told = "".join(as_lines(*pair) + "\n\n" for pair in zip(explanations, changes, strict=True)).removesuffix("\n")
    write_out(told, output, overwrite=overwrite)
