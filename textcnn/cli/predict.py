"""`textcnn predict`: texts to labels, from arguments, stdin or files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from textcnn.cli.common import (
    GroupedCommand,
    form_options,
    model_option,
    option,
    output_form_option,
    text_column_option,
)
from textcnn.cli.stdin import argument_texts, stdin_lines
from textcnn.errors import ConfigError, DataError, listed, quoted
from textcnn.targets import ONE_CLASS

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.cli.prediction_files import Job
    from textcnn.cli.writers import Writer
    from textcnn.model import Model


@click.command(cls=GroupedCommand)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@option(
    "--input",
    "sources",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    group="Data",
    help="File of texts to label: lines (.txt), CSV, TSV, JSON Lines, Parquet or Arrow; or a pattern, such as "
    "'part-*.parquet'. May be given several times.",
)
@text_column_option
@form_options
@option(
    "--output",
    type=click.Path(),
    metavar="FILE",
    group="Output",
    help="File to write to [stdout]; FOLDER/ for a file for each input file.",
)
@option("--overwrite", is_flag=True, group="Output", help="Replace the output files if they exist.")
@option(
    "--resume", is_flag=True, group="Output", help="Leave out the files of FOLDER/ that an earlier run has finished."
)
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
    sources: tuple[Path, ...],
    text_column: str | None,
    reading: dict[str, Any],
    output: str | None,
    overwrite: bool,
    resume: bool,
    form: str | None,
    thresholds: tuple[str, ...],
    **options: Any,
) -> None:
    """Label TEXTs, the lines of stdin, or the texts of files.

    Lines on stdin are answered as they arrive. Files are streamed: rows keep their
    order and their other columns, in Parquet and Arrow with their types. A CSV is
    written with a header; columns of a file without one have numbers there.

    Several files are written to one, or each to a file of its own in FOLDER/, which
    appears when it is finished; with --resume a run that was killed goes on there.

    \b
    Examples:
      textcnn predict "not bad at all" "a waste of time"
      cat lines.txt | textcnn predict --format json
      textcnn predict --input reviews.csv --output labelled.csv
      textcnn predict --input 'part-*.parquet' --output labelled/ --resume
    """
    if not options["min_confidence"] >= 0:  # NaN
        raise ConfigError("--min-confidence: expected a probability from 0 to 1, found nan")
    if texts and sources:
        raise ConfigError("expected texts or --input, found both; leave one out")
    if not sources:
        _check_no_file_options(text_column, reading)
    from textcnn.cli.prediction_files import target
    from textcnn.cli.writers import Writer
    from textcnn.model import load_model

    trained = load_model(model)
    limits = _thresholds(thresholds, trained)
    for job in _jobs(trained, sources, output, form, reading, overwrite=overwrite, resume=resume):
        with target(job.output, job.sources, overwrite=overwrite) as stream:
            classes = trained.classes_.tolist()
            with Writer(stream, classes, job.form, target=trained.target, thresholds=limits, **options) as writer:
                if job.sources:
                    _predict_files(writer, trained, job.sources, text_column, reading)
                else:
                    _predict_texts(writer, trained, _columns(texts, reading["encoding"]))
            stream.flush()


class _Rows(NamedTuple):
    """Rows of a file.

    Attributes:
        source: the file.
        first: the number of the first row, from 1.
        batch: the rows.
        names: the columns of the texts.
    """

    source: Path
    first: int
    batch: pa.RecordBatch
    names: tuple[str, ...]


def _jobs(
    trained: Model,
    sources: Sequence[Path],
    output: str | None,
    form: str | None,
    reading: dict[str, Any],
    *,
    overwrite: bool,
    resume: bool,
) -> Sequence[Job]:
    """Return what to read and to write, once it is checked."""
    from textcnn.cli.display import say
    from textcnn.cli.prediction_files import Job, OutputFolder, form_of
    from textcnn.data.local_files import named_files, read_batches

    paths = named_files(sources)
    for path in paths:
        read_batches(path, **reading)  # which checks all but the content
    file = None if output is None else Path(output)
    if output is None or file is None or not (output.endswith(("/", os.sep)) or (paths and file.is_dir())):
        if resume:
            raise ConfigError("--resume: expected a folder to write to, found none; give one (--output FOLDER/)")
        jobs = [Job(paths, file, form_of(form, paths[0] if paths else None, file))]
        _check_escapes(jobs)
        return jobs
    if not paths:
        raise ConfigError(f"{output}: expected files to read, found none; name them with --input, or an output file")
    if resume and overwrite:
        raise ConfigError("expected --resume or --overwrite, found both; leave one out")
    folder = OutputFolder(file, paths, form)
    _check_escapes(folder.jobs)
    left = folder.begin(_settings(trained), overwrite=overwrite, resume=resume)
    if len(left) < len(paths):
        say(f"{len(paths) - len(left):,} of {len(paths):,} files are finished")
    return left


def _check_escapes(jobs: Sequence[Job]) -> None:
    """Refuse --escape-formulas where no CSV is written."""
    others = [job.form for job in jobs if job.form != "csv"]
    if others and click.get_current_context().params["escape_formulas"]:
        raise ConfigError(f"--escape-formulas: expected CSV to write, found {others[0]}; leave it out")


def _settings(trained: Model) -> dict[str, Any]:
    """Return what the content of the output depends on: the model, and the options by their flags."""
    from textcnn.inference.artifact import digest_of

    given = click.get_current_context().params
    others = ("texts", "model", "sources", "output", "overwrite", "resume")
    options = {each.opts[0]: given[str(each.name)] for each in command.params if each.name not in others}
    return {"model": digest_of(trained.artifact), **options}


def _columns(texts: tuple[str, ...], encoding: str) -> Iterable[pa.StringArray]:
    """Return the texts of arguments, or else the lines of stdin."""
    if texts:
        return [argument_texts(texts, "read it with --input {}")]
    return stdin_lines(encoding, origins="texts as arguments, on stdin or in a file (--input)")


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


def _predict_texts(writer: Writer, model: Model, columns: Iterable[pa.StringArray]) -> None:
    """Label columns of texts one by one, each as soon as it arrives."""
    import pyarrow as pa

    writer.begin(["text"])
    for column in columns:
        writer.write(pa.table({"text": column}), column, model.scores(column))
        writer.stream.flush()


def _predict_files(
    writer: Writer, model: Model, sources: Sequence[Path], text_column: str | None, reading: dict[str, Any]
) -> None:
    """Label the texts of files one after the other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from textcnn.cli.display import make_counter
    from textcnn.data.local_files import read_batches
    from textcnn.data.table_columns import joined_texts, pick_columns

    def numbered() -> Iterator[_Rows]:
        for source in sources:
            row = 1
            names: tuple[str, ...] = ()
            for batch in read_batches(source, **reading):
                names = names or pick_columns(batch.schema.names, text_column, path=source, need_label=False).texts
                yield _Rows(source, row, batch, names)
                row += len(batch)

    def texts(rows: _Rows) -> pa.Array:
        return pc.fill_null(joined_texts(rows.batch, rows.names, path=rows.source, first_row=rows.first), "")

    with make_counter("texts", writer.stream) as advance:
        for rows, scores in model.stream(numbered(), texts):
            try:
                if rows.first == 1:
                    writer.begin(rows.batch.schema.names, rows.names)
                writer.write(pa.Table.from_batches([rows.batch]), texts(rows), scores)
            except DataError as error:
                raise DataError(f"{rows.source}: {error}") from None
            advance(len(rows.batch))
