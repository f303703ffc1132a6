"""`textcnn graph`: the feature graph that a DCNN induces over a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import click

from textcnn.cli.common import GroupedCommand, model_option, option, output_options, write_out


@click.command(cls=GroupedCommand)
@click.argument("text")
@model_option
@option(
    "--place",
    nargs=2,
    type=int,
    metavar="MAP ROW",
    group="Output",
    help="Map and row of the last layer [those with the largest weight for the label].",
)
@option(
    "--format",
    "form",
    type=click.Choice(("svg", "json")),
    default="svg",
    show_default=True,
    group="Output",
    help="Form of the output.",
)
@output_options
def command(
    text: str, model: str, place: tuple[int, int] | None, form: str, output: Path | None, overwrite: bool
) -> None:
    """Draw the feature graph of a DCNN over TEXT.

    A node is a value that survives pooling, an edge joins it to the values that its
    convolution combines, and a root joins the nodes of the last layer: a structure
    over the sentence, like a syntax tree (Kalchbrenner et al. 2014, section 4).

    \b
    Examples:
      textcnn graph "the cast is not bad at all" -m dcnn-model -o graph.svg
      textcnn graph "not bad" -m dcnn-model --place 3 1 --format json
    """
    from textcnn.explain.graph_svg import as_svg
    from textcnn.model import load_model

    graph = load_model(model).feature_graph(text, place=place)
    content = as_svg(graph) if form == "svg" else json.dumps(graph.to_json(), ensure_ascii=False, indent=1) + "\n"
    write_out(content, output, overwrite=overwrite)
