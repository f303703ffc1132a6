"""`textcnn explain`: why a model gives texts the labels it gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textcnn.cli.common import GroupedCommand, model_option, option, output_options, write_out
from textcnn.cli.stdin import argument_texts, stdin_lines
from textcnn.cli.terminal import TextLayout
from textcnn.errors import ConfigError

if TYPE_CHECKING:
    from rich.text import Text


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
    help="Form of the output [html for a file named .html, else text].",
)
@option(
    "--counterfactual",
    "flip",
    is_flag=True,
    group="Output",
    help="Also find a small change to each text that flips its label.",
)
@option(
    "--budget",
    type=click.FloatRange(min=0),
    default=1.0,
    metavar="SECONDS",
    show_default=True,
    group="Output",
    help="Time to spend on changes of two words, per text.",
)
def command(
    texts: tuple[str, ...],
    model: str,
    encoding: str,
    output: Path | None,
    overwrite: bool,
    form: str | None,
    flip: bool,
    budget: float,
) -> None:
    """Explain the labels of TEXTs, or of the lines of stdin.

    Words and n-grams are shown with their scores: what they add to the logit of the
    label, minus what they add to the mean over all classes. On a terminal, words for
    the label are green and underlined, words against it red and reversed, and words
    that the model does not know are dim. For Kim's network the scores are exact; for
    the others they are integrated gradients, and the remaining error is shown. Where
    a text has several labels, each is explained, and a score is what a word adds to
    the label's log-odds.

    \b
    Examples:
      textcnn explain "not bad at all"
      textcnn explain "a waste of a good cast" --counterfactual --budget 2
      textcnn explain --format html -o why.html < lines.txt
    """
    if not budget >= 0:  # NaN
        raise ConfigError("--budget: expected 0 seconds or more, found nan")
    from textcnn.model import load_model

    trained = load_model(model)
    form = form or ("html" if output is not None and output.suffix in (".html", ".htm") else "text")
    columns = [argument_texts(texts, "give its lines on stdin")] if texts else stdin_lines(encoding)
    explanations = [explanation for column in columns for explanation in trained.explain(column)]
    changes = [trained.counterfactual(each.text, budget=budget) if flip else None for each in explanations]
    # Of several labels each one that is given; the change is that of the most probable.
    shown = [
        (each, None if number else change)
        for one, change in zip(explanations, changes, strict=True)
        for number, each in enumerate(one.by_label())
    ]
    content: str | list[Text]
    if form == "html":
        from textcnn.explain.html import page

        content = page([each.to_html(change) for each, change in shown])
    elif form == "json":
        content = "".join(
            json.dumps(
                explanation.to_json() | ({"counterfactual": change and change.to_json()} if flip else {}),
                ensure_ascii=False,
            )
            + "\n"
            for explanation, change in zip(explanations, changes, strict=True)
        )
    else:
        from textcnn.cli.explanations import lines as as_lines

        layout = TextLayout(output)
        content = []
        for explanation, change in shown:
            content += [layout.text("")] * bool(content) + as_lines(explanation, change, layout)
    write_out(content, output, overwrite=overwrite)
