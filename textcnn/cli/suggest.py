"""`textcnn suggest`: which texts to label next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from textcnn.cli.common import (
    GroupedCommand,
    form_options,
    model_option,
    option,
    output_form_option,
    output_options,
    text_column_option,
)
from textcnn.cli.prediction_files import form_of, target


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@model_option
@option(
    "-n",
    "--number",
    type=click.IntRange(min=1),
    default=100,
    metavar="N",
    show_default=True,
    group="Choice",
    help="Suggest N texts.",
)
@option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="N", show_default=True, group="Choice",
    help="Seed of the clusters.",
)  # fmt: skip
@text_column_option
@form_options
@output_options
@output_form_option
def command(
    source: Path,
    model: str,
    number: int,
    seed: int,
    text_column: str | None,
    reading: dict[str, Any],
    output: Path | None,
    overwrite: bool,
    form: str | None,
) -> None:
    """Choose the texts in FILE to label next: lines (.txt), CSV, TSV, JSON Lines or Parquet.

    Of the ten times as many texts whose two best classes are closest, those are taken
    that are unlike one another, the least certain first. Equal texts are taken once, and
    texts of which the model knows no word come last. Each is written with its row in
    FILE, from 1, the predicted label, and its probability.

    \b
    Examples:
      textcnn suggest unlabelled.csv -m model -n 50 -o to-label.csv
      textcnn suggest lines.txt -m model
    """
    import pyarrow as pa

    from textcnn.cli.display import make_counter, say
    from textcnn.cli.writers import Writer
    from textcnn.data.local_files import read_batches
    from textcnn.data.unlabelled import texts_in
    from textcnn.model import load_model
    from textcnn.selection import suggest

    trained = load_model(model)
    batches = read_batches(source, **reading)
    form = form_of(form, source, output)
    with target(output, [source], overwrite=overwrite) as stream:
        with make_counter("texts", stream) as advance:
            found = suggest(trained, texts_in(batches, text_column, path=source), number, seed=seed, on_batch=advance)
        if form == "text":
            names = [str(label) for label in trained.classes_]
            predicted = trained.target.shown_as(trained.decide(found.scores.probabilities), names)
            probabilities = found.scores.probabilities.max(axis=1)
            for row, label, probability, text in zip(
                found.rows, predicted, probabilities, found.texts.to_pylist(), strict=True
            ):
                cells = [str(row), label, f"{probability:.4f}", text]
                stream.write("\t".join(re.sub(r"[\t\r\n]+", " ", cell) for cell in cells).encode() + b"\n")
        else:
            limits = trained.artifact.thresholds
            columns = pa.table({"row": pa.array(found.rows), "text": found.texts})
            with Writer(stream, trained.classes_.tolist(), form, target=trained.target, thresholds=limits) as writer:
                writer.begin(columns.column_names)
                writer.write(columns, found.texts.combine_chunks(), found.scores)
        stream.flush()
    if len(found.rows) < number:
        say(f"{source}: only {len(found.rows):,} distinct texts; all are suggested")
