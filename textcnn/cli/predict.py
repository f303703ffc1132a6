"""`textcnn predict`: texts to labels, from arguments, stdin or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import GroupedCommand, model_option, option, replacing
from textcnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    from textcnn.inference import Predictor
    from textcnn.writers import Writer

_READ = 1 << 20  # bytes of stdin answered as one batch at most
_FORM_OF_SUFFIX = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}


@click.command(cls=GroupedCommand)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@option("--input", "source", type=click.Path(path_type=Path), group="Data", help="File of texts to label.")
@option("--text-column", metavar="NAME", group="Data", help="Column of the texts [found by usual names].")
@option("--encoding", default="utf-8", show_default=True, group="Data", help="Encoding of the input.")
@option("--output", type=click.Path(path_type=Path), group="Output", help="File to write to [stdout].")
@option("--overwrite", is_flag=True, group="Output", help="Replace the output file if it is there.")
@option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "csv")),
    group="Output",
    help="Form of the output [by the output file's suffix, csv for a file with columns, else text].",
)
@option("--proba", is_flag=True, group="Output", help="Give the probability of every class.")
@option(
    "--top-k",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    group="Output",
    help="Give so many classes, the best first.",
)
def command(
    texts: tuple[str, ...],
    model: Path,
    source: Path | None,
    text_column: str | None,
    encoding: str,
    output: Path | None,
    overwrite: bool,
    form: str | None,
    proba: bool,
    top_k: int,
) -> None:
    """Label TEXTs, the lines of stdin, or the texts of a file.

    Lines on stdin are answered as they come. A file is streamed: rows come out in
    the order they went in, with their other columns.

    \b
    Examples:
      textcnn predict "not bad at all" "a waste of time"
      cat lines.txt | textcnn predict --format json
      textcnn predict --input reviews.csv --output labelled.csv
    """
    if texts and source is not None:
        raise ConfigError("expected texts or --input, found both; leave one out")
    from textcnn.inference import load_model

    predictor = load_model(model)
    form = form or _default_form(source, output)
    if output is None:
        _predict(sys.stdout.buffer, predictor, texts, source, text_column, encoding, form, proba, top_k)
    else:
        if source is not None and output.exists() and output.samefile(source):
            raise DataError(f"{output}: expected another file than the input; choose another --output")
        with replacing(output, overwrite=overwrite) as stream:
            _predict(stream, predictor, texts, source, text_column, encoding, form, proba, top_k)


def _default_form(source: Path | None, output: Path | None) -> str:
    if output is not None:
        return _FORM_OF_SUFFIX.get(output.suffix.lower(), "text")
    if source is None:
        return "text"
    from textcnn.data.files import has_columns

    return "csv" if has_columns(source) else "text"


def _predict(
    stream: Any,
    predictor: Predictor,
    texts: tuple[str, ...],
    source: Path | None,
    text_column: str | None,
    encoding: str,
    form: str,
    proba: bool,
    top_k: int,
) -> None:
    import pyarrow as pa

    from textcnn.writers import Writer

    writer = Writer(stream, predictor.classes_.tolist(), form, proba, top_k)
    if source is not None:
        _predict_file(writer, predictor, source, text_column, encoding)
        return
    writer.begin(["text"])
    for column in [pa.array(texts, pa.string())] if texts else _stdin_lines(encoding):
        writer.write(pa.table({"text": column}), column, predictor.predict_proba(column))
        stream.flush()


def _predict_file(writer: Writer, predictor: Predictor, source: Path, text_column: str | None, encoding: str) -> None:
    import pyarrow as pa

    from textcnn.cli.progress import make_counter
    from textcnn.data.files import pick_columns, read_batches, texts_of

    row = 1
    name = None
    with make_counter("texts") as advance:
        for batch in read_batches(source, encoding=encoding):
            if name is None:
                name, _ = pick_columns(batch.schema.names, text_column, None, path=source, need_label=False)
                writer.begin(batch.schema.names)
            texts = texts_of(batch.column(name), path=source, first_row=row, missing_as_empty=True)
            writer.write(pa.Table.from_batches([batch]), texts, predictor.predict_proba(texts))
            row += len(batch)
            advance(len(batch))


def _stdin_lines(encoding: str) -> Iterator[Any]:
    """Whatever has arrived on stdin, as columns of whole lines."""
    from textcnn.data.lines import split_lines

    if sys.stdin.isatty():
        click.echo("type a text a line; Ctrl-D ends", err=True)
    rest = b""
    line = 1
    while True:
        arrived = sys.stdin.buffer.read1(_READ)  # type: ignore[attr-defined]
        whole, newline, rest = (rest + arrived).rpartition(b"\n")
        if not arrived:
            whole, newline, rest = rest, b"", b""
        data = whole + newline
        if data:
            try:
                text = data.decode(encoding)
            except (UnicodeDecodeError, LookupError) as error:
                raise DataError(f"stdin, from line {line}: expected {encoding} text, found {error}") from None
            yield split_lines(text.encode())
            line += data.count(b"\n")
        if not arrived:
            return
