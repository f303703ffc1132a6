"""`textcnn export`: a saved model as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from textcnn.cli.common import DEFAULT_MODEL, GroupedCommand, option


@click.command(cls=GroupedCommand)
@click.argument("model", required=False, default=DEFAULT_MODEL, type=click.Path())
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default="model.onnx",
    show_default=True,
    group="Output",
    help="File to write; its name ends in .onnx.",
)
@option("--overwrite", is_flag=True, group="Output", help="Replace files that exist.")
def command(model: str, output: Path, overwrite: bool) -> None:
    """Write MODEL, a saved model [textcnn-model], as an ONNX file (opset 12).

    MODEL is its folder, or user/name or user/name@revision on the Hugging Face hub.

    It takes ids, (N,) int64, the tokens of all texts one after the other, and offsets,
    (B + 1,) int64, where each text begins and the last ends, and gives probabilities,
    (B, K) float32. A JSON file of the same name is written beside it: vocabulary,
    tokenizer, classes and thresholds, for programs that have no textcnn.

    \b
    Examples:
      textcnn export
      textcnn export my-model -o my-model.onnx
    """
    from textcnn.export.onnx_files import to_onnx
    from textcnn.model import load_model

    beside = to_onnx(load_model(model), output, overwrite=overwrite)
    click.echo(f"model       {output}")
    click.echo(f"texts       {beside}")
