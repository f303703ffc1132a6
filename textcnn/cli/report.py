"""`textcnn report`: how well a saved model does, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import GroupedCommand, chosen_split, corpus_options, model_option, option, split_option
from textcnn.errors import DataError
from textcnn.files import check_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textcnn.data.labelled import Labelled
    from textcnn.inference.artifact import Artifact
    from textcnn.report.figures import Texts
    from textcnn.settings.options import Settings


@click.command(cls=GroupedCommand)
@click.argument("data", default="sample")
@model_option
@corpus_options
@split_option
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default="report.html",
    show_default=True,
    group="Output",
    help="File to write.",
)
@option("--overwrite", is_flag=True, group="Output", help="Replace the file if it is there.")
@option(
    "--plots",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    group="Output",
    help="Folder to write the plots to as well, as PNG and SVG.",
)
def command(
    data: str,
    model: Path,
    reading: dict[str, Any],
    split: str | None,
    output: Path,
    overwrite: bool,
    plots: Path | None,
) -> None:
    """Write a page on how well a saved model does on DATA, and on what it fails.

    DATA is a named corpus or a file of labelled texts; without it, the built-in sample
    corpus. Training texts in DATA serve for a linear model to compare with.

    \b
    Examples:
      textcnn report
      textcnn report held-out.csv -m model -o report.html --plots plots
    """
    check_output(output, overwrite=overwrite, error=DataError)
    from textcnn.data import load_corpus
    from textcnn.model import load_model
    from textcnn.report.page import write_report
    from textcnn.report.plots import save

    predictor = load_model(model)
    names = [str(label) for label in predictor.classes_]
    corpus = load_corpus(data, known_classes=names, **reading)
    chosen = chosen_split(corpus, data, split)
    training = _texts(corpus["train"]) if chosen != "train" and "train" in corpus else None
    figures = write_report(
        predictor,
        output,
        _texts(corpus[chosen]),
        training,
        source=data,
        split=chosen if len(corpus) > 1 else "all",
    )
    click.echo(f"report      {output}")
    if plots is not None:
        for path in save(figures, plots):
            click.echo(f"plot        {path}")


def after_training(
    artifact: Artifact, model: Path, data: str, parts: Mapping[str, Labelled], settings: Settings
) -> None:
    """Write the page of a model that was just saved into its folder, on its test or else its validation texts.

    The model is saved already: whatever goes wrong here is told, and harms nothing.
    """
    from textcnn.inference.predictor import Predictor
    from textcnn.report.figures import Texts
    from textcnn.report.page import NAME, write_report
    from textcnn.training.pipeline import held_out

    try:
        split = "test" if "test" in parts and len(parts["test"].labels) else "validation"
        training, scored = parts["train"], parts.get(split)
        if scored is None:
            training, scored = held_out(training, settings.training, [str(label) for label in artifact.classes])
        texts, others = (Texts(part.texts.to_pylist(), part.labels) for part in (scored, training))
        write_report(Predictor(artifact), model / NAME, texts, others, source=data, split=split)
    except Exception as error:  # noqa: BLE001
        click.echo(f"report      not written: {error}", err=True)
        return
    click.echo(f"report      {model / NAME}")


def _texts(split: Any) -> Texts:
    from textcnn.report.figures import Texts

    table = split.with_format("arrow")[:]
    return Texts(table["text"].to_pylist(), table["label"].to_numpy())
