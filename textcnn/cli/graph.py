"""`textcnn graph`: the feature graph that a DCNN induces over a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import click

from textcnn.cli.common import GroupedCommand, model_option, option, output_options, write_out
from textcnn.errors import ConfigError


@click.command(cls=GroupedCommand)
@click.argument("text")
@model_option
@option(
    "--place",
    nargs=2,
    type=int,
    metavar="MAP ROW",
    group="Output",
    help="Map and row of the last layer [those that weigh most for the label].",
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
    text: str, model: Path, place: tuple[int, int] | None, form: str, output: Path | None, overwrite: bool
) -> None:
    """Draw the feature graph of a DCNN over TEXT.

    Values that survive pooling are nodes, what a convolution combines are edges, and
    the last layer's nodes join in a root: a structure over the sentence, like a
    syntax tree (Kalchbrenner et al. 2014, section 4).

    \b
    Examples:
      textcnn graph "the cast is not bad at all" -m dcnn-model -o graph.svg
      textcnn graph "not bad" -m dcnn-model --place 3 1 --format json
    """
    from textcnn.explain.feature_graph import feature_graph
    from textcnn.explain.graph_svg import as_svg
    from textcnn.model import load_model

    predictor = load_model(model)
    try:
        graph = feature_graph(predictor, text, place)
    except ValueError as error:
        raise ConfigError(f"{model}: {error}") from None
    told = as_svg(graph) if form == "svg" else json.dumps(graph.to_json(), ensure_ascii=False, indent=1) + "\n"
    write_out(told, output, overwrite=overwrite)
