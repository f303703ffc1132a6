"""`textcnn report`: how well a saved model does, as an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from textcnn.cli.common import (
    GroupedCommand,
    corpus_options,
    data_or_sample,
    labelled_split,
    model_option,
    option,
    scored_corpus,
    split_option,
)
from textcnn.cli.suggestions import Source
from textcnn.errors import DataError
from textcnn.files import check_output


@click.command(cls=GroupedCommand)
@click.argument("data", required=False, type=Source())
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
@option("--overwrite", is_flag=True, group="Output", help="Replace the file if it exists.")
@option(
    "--plots",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    group="Output",
    help="Folder to save the plots in too, as PNG and SVG.",
)
def command(
    data: str | None,
    model: str,
    reading: dict[str, Any],
    split: str | None,
    output: Path,
    overwrite: bool,
    plots: Path | None,
) -> None:
    """Write an HTML report on a saved model: its scores on DATA and its mistakes.

    DATA is a named corpus or a file of labelled texts; without it, a model trained on
    the built-in sample corpus is scored on that. If DATA has training texts, a linear baseline is fitted to them.

    \b
    Examples:
      textcnn report
      textcnn report held-out.csv -m model -o report.html --plots plots
    """
    from textcnn.cli.display import make_display
    from textcnn.data import check_source
    from textcnn.model import load_model

    trained = load_model(model)
    data = data_or_sample(data, trained, model)
    check_source(data, hub=reading["hub"])
    check_output(output, overwrite=overwrite, error=DataError)
    corpus, chosen, name = scored_corpus(data, split, reading, trained)
    texts, labels = labelled_split(corpus, chosen, trained)
    learned = labelled_split(corpus, "train", trained) if chosen != "train" and "train" in corpus.tables else None
    with make_display() as display:
        display.announce("writing the report")
        figures = trained.report(
            output,
            texts,
            labels,
            training=learned,
            source=data,
            split=name,
            overwrite=overwrite,
        )
    click.echo(f"report      {output}")
    if plots is not None:
        from textcnn.report.plots import save

        for path in save(figures, plots):
            click.echo(f"plot        {path}")
