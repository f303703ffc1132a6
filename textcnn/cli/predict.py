"""`textcnn predict`: texts to labels, from arguments, stdin or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import numpy as np

from textcnn.cli.common import (
    GroupedCommand,
    form_options,
    model_option,
    option,
    output_form_option,
    replacing,
    text_column_option,
)
from textcnn.cli.stdin import argument_texts, stdin_lines
from textcnn.cli.terminal import safe_stream
from textcnn.errors import ConfigError, DataError, listed, quoted
from textcnn.targets import ONE_CLASS

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.cli.writers import Writer
    from textcnn.model import Model

_FORM_OF_SUFFIX = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".txt": "text"}


@click.command(cls=GroupedCommand)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@option(
    "--input",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Data",
    help="File of texts to label: lines (.txt), CSV, TSV, JSON Lines or Parquet.",
)
@text_column_option
@form_options
@option("--output", type=click.Path(path_type=Path), metavar="FILE", group="Output", help="File to write to [stdout].")
@option("--overwrite", is_flag=True, group="Output", help="Replace the output file if it exists.")
@output_form_option
@option(
    "--escape-formulas",
    is_flag=True,
    group="Output",
    help="In CSV, put a ' before cells that a spreadsheet would run as formulas.",
)
@option(
    "--replace-columns",
    is_flag=True,
    group="Output",
    help="Replace the input's columns that have the names of a prediction's, such as those of an earlier run.",
)
@option("--proba", is_flag=True, group="Output", help="Give the probability of every class.")
@option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    default=0.0,
    group="Output",
    help="Predict no label for texts whose best class is less probable.",
)
@option(
    "--top-k",
    type=click.IntRange(min=1),
    metavar="N",
    group="Output",
    help="Give the N most probable classes, best first, in the place of those that are predicted.",
)
@option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="LABEL=P",
    group="Output",
    help="Give a label from this probability on, in the place of the most probable one; for each label "
    "where a text has several: 0.3 alone. May be given several times.",
)
@option(
    "--label-separator",
    "separator",
    default=";",
    metavar="CHAR",
    show_default=True,
    group="Output",
    help="What stands between several labels of a text.",
)
def command(
    texts: tuple[str, ...],
    model: str,
    source: Path | None,
    text_column: str | None,
    reading: dict[str, Any],
    output: Path | None,
    overwrite: bool,
    form: str | None,
    escape_formulas: bool,
    replace_columns: bool,
    proba: bool,
    top_k: int | None,
    min_confidence: float,
    thresholds: tuple[str, ...],
    separator: str,
) -> None:
    """Label TEXTs, the lines of stdin, or the texts of a file.

    Lines on stdin are answered as they arrive. A file is streamed: rows keep their
    order and their other columns. A CSV is written with a header; columns of a
    file without one have numbers there.

    \b
    Examples:
      textcnn predict "not bad at all" "a waste of time"
      cat lines.txt | textcnn predict --format json
      textcnn predict --input reviews.csv --output labelled.csv
    """
    if not min_confidence >= 0:  # NaN
        raise ConfigError("--min-confidence: expected a probability from 0 to 1, found nan")
    if texts and source is not None:
        raise ConfigError("expected texts or --input, found both; leave one out")
    if source is None:
        _check_no_file_options(text_column, reading)
    from textcnn.cli.writers import Writer
    from textcnn.model import load_model

    trained = load_model(model)
    batches = _read(source, reading) if source is not None else ()
    form = form or default_form(source, output)
    if escape_formulas and form != "csv":
        raise ConfigError(f"--escape-formulas: expected CSV to write, found {form}; leave it out")
    limits = _thresholds(thresholds, trained)
    with target(output, source, overwrite=overwrite) as stream:
        writer = Writer(
            stream,
            trained.classes_.tolist(),
            form,
            proba,
            top_k,
            min_confidence,
            trained.target,
            limits,
            separator,
            escape_formulas=escape_formulas,
            replace_columns=replace_columns,
        )
        if source is not None:
            _predict_file(writer, trained, source, batches, text_column)
        else:
            origins = "texts as arguments, on stdin or in a file (--input)"
            columns = (
                [argument_texts(texts, "read it with --input {}")]
                if texts
                else stdin_lines(reading["encoding"], origins=origins)
            )
            _predict_texts(writer, trained, columns)
        stream.flush()


def _check_no_file_options(text_column: str | None, reading: dict[str, Any]) -> None:
    """Refuse options on a file with columns where there is none."""
    given = {
        "--text-column": text_column is not None,
        "--delimiter": reading["delimiter"] is not None,
        "--quoting": reading["quoting"] != "auto",
        "--no-header": not reading["header"],
    }
    for flag, is_given in given.items():
        if is_given:
            raise ConfigError(f"{flag}: expected a file with columns, found none; give one (--input FILE)")


def _thresholds(given: Sequence[str], model: Model) -> np.ndarray | None:
    """Return the thresholds of a model's classes with those that are given, (K,); None if there are none.

    Raises:
        ConfigError: one that is no `LABEL=P`, of an unknown label, or not from 0 to 1.
    """
    names = [str(label) for label in model.classes_]
    limits = model.artifact.thresholds
    if not given:
        return limits
    limits = np.full(len(names), np.nan) if limits is None else limits.copy()
    for each in given:
        name, equals, number = each.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not 0 <= value <= 1 or (not equals and model.target is ONE_CLASS):
            raise ConfigError(
                f"--threshold: expected a label and a probability, such as good=0.8, found {quoted(each)}"
            )
        if equals and name not in names:
            known = listed([quoted(label) for label in names])
            raise ConfigError(f"--threshold: expected one of the labels {known}, found {quoted(name)}")
        limits[names.index(name) if equals else slice(None)] = value
    return limits


def _read(source: Path, reading: dict[str, Any]) -> Iterable[pa.RecordBatch]:
    from textcnn.data.local_files import read_batches

    return read_batches(source, **reading)


def default_form(source: Path | None, output: Path | None) -> str:
    """Return the form to write: that of the output's name, else CSV for an input with columns, else text.

    Raises:
        ConfigError: the output's name has an unknown ending.
    """
    if output is not None and output.suffix:
        form = _FORM_OF_SUFFIX.get(output.suffix.lower())
        if form is None:
            raise ConfigError(
                f"{output}: expected a name that ends in {', '.join(_FORM_OF_SUFFIX)}; rename it or give --format"
            )
        return form
    if source is None:
        return "text"
    from textcnn.data.local_files import has_columns

    return "csv" if has_columns(source) else "text"


def target(output: Path | None, source: Path | None, *, overwrite: bool) -> AbstractContextManager[IO[bytes]]:
    """Return where to write: a file that appears whole, or stdout.

    Raises:
        DataError: the file exists, cannot be written, or is the input.
    """
    if output is None:
        return nullcontext(safe_stream(sys.stdout.buffer))
    if source is not None and output.exists() and source.exists() and output.samefile(source):
        raise DataError(f"{output}: expected a file other than the input; choose another --output")
    return replacing(output, overwrite=overwrite)


def _predict_texts(writer: Writer, model: Model, columns: Iterable[pa.StringArray]) -> None:
    """Label columns of texts one by one, each as soon as it arrives."""
    import pyarrow as pa

    writer.begin(["text"])
    for column in columns:
        writer.write(pa.table({"text": column}), column, model.scores(column))
        writer.stream.flush()


def _predict_file(
    writer: Writer, model: Model, source: Path, batches: Iterable[pa.RecordBatch], text_column: str | None
) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    from textcnn.cli.display import make_counter
    from textcnn.data.table_columns import joined_texts, pick_columns

    def numbered() -> Iterator[tuple[int, pa.RecordBatch, tuple[str, ...]]]:
        row, names = 1, None
        for batch in batches:
            if names is None:
                names = pick_columns(batch.schema.names, text_column, path=source, need_label=False).texts
                writer.begin(batch.schema.names, names)
            yield row, batch, names
            row += len(batch)

    def texts(item: tuple[int, pa.RecordBatch, tuple[str, ...]]) -> pa.Array:
        row, batch, names = item
        return pc.fill_null(joined_texts(batch, names, path=source, first_row=row), "")

    with make_counter("texts", writer.stream) as advance:
        for item, scores in model.stream(numbered(), texts):
            batch = item[1]
            writer.write(pa.Table.from_batches([batch]), texts(item), scores)
            advance(len(batch))
