"""Local files of texts, streamed as Arrow record batches.

CSV, TSV, JSON Lines, Parquet, Arrow (Feather), and lines of text, plain or labelled as fastText does.

Columns come as they are written: every CSV column is a column of strings, so "007" stays "007", and no
string of JSON turns into a time. Rows are counted from 1 without the header; lines are those of the file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from textcnn.data._fasttext import PREFIX, labelled_lines
from textcnn.data._jsonlines import json_tables
from textcnn.data._picking import nearest
from textcnn.data._picking import pick_columns as pick_columns
from textcnn.data._picking import texts_of as texts_of
from textcnn.data.blocks import DELIMITERS, Quotes, raw_blocks, text_decoder, utf8_blocks, whole_rows
from textcnn.data.splitting import split_lines
from textcnn.errors import DataError

FORMATS: dict[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".txt": "text",
    ".ft": "text",
}
"""File name endings and their formats; all but Parquet and Arrow also with ``.gz`` behind."""

_BINARY = ("parquet", "arrow")
_MARKS = b"\xef\xbb\xbf\xff\xfe"

_BATCH_ROWS = 16_384


def format_of(path: Path) -> str:
    """Tell a file's format from its name.

    Returns:
        A value of ``FORMATS``.

    Raises:
        DataError: the ending is unknown.
    """
    name = path.name.lower()
    kind = FORMATS.get(Path(name.removesuffix(".gz")).suffix)
    if kind is None or (kind in _BINARY and name.endswith(".gz")):
        raise DataError(
            f"expected a file that ends in one of {', '.join(FORMATS)}, all but Parquet and Arrow also with .gz, "
            f"found {path}; rename it"
        )
    return kind


def has_columns(path: str | Path) -> bool:
    """Tell whether a file has columns, rather than one text a line.

    A text file has where its first line begins with a label, as fastText writes it.

    Raises:
        DataError: the ending is unknown, or a text file is missing or cannot be read.
    """
    path = Path(path)
    if format_of(path) != "text":
        return True
    _check_path(path)
    # whatever the encoding: in UTF-16 the letters of a label have NUL between them
    head = next(raw_blocks(path), b"")[:64].lstrip(_MARKS).replace(b"\0", b"")
    return head.startswith(PREFIX)


def read_batches(
    path: str | Path,
    *,
    encoding: str = "utf-8",
    file_format: str | None = None,
    column_names: Sequence[str] | None = None,
    batch_rows: int = _BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Stream a file's rows, all columns; memory stays flat however long the file is.

    The path, the format and the encoding's name are checked at once, the content as it is read. An empty CSV
    field is null, a quoted empty one is the empty string. Text gives a column ``text``, a value a line, and beside it
    ``label`` where the first line begins with ``__label__``.
    A JSON Lines column that first appears late, or turns from whole numbers to others, has its new form from there.

    Args:
        path: the file, unzipped on the way where its name ends in ``.gz``.
        encoding: of a text file; a byte-order mark is dropped.
        file_format: a value of ``FORMATS``, where the name does not tell.
        column_names: of a CSV or TSV without a header.
        batch_rows: the most rows in a batch.

    Yields:
        Batches of at least one row.

    Raises:
        DataError: there is no such file, it has no rows, or it is not what its format says; the line is named.
    """
    path = Path(path)
    _check_path(path)
    kind = file_format or format_of(path)
    text_decoder(encoding)
    if kind in _BINARY:
        return filled(_binary_batches(path, kind, batch_rows), path)
    parsers: dict[str, Callable[..., Iterator[pa.Table]]] = {
        "csv": partial(_csv_tables, delimiter=",", names=column_names),
        "tsv": partial(_csv_tables, delimiter="\t", names=column_names),
        "jsonl": json_tables,
        "text": _text_tables,
    }
    tables = parsers[kind](utf8_blocks(path, encoding), path=path)
    return filled((batch for table in tables for batch in table.to_batches(batch_rows)), path)


def read_table(
    path: str | Path,
    *,
    encoding: str = "utf-8",
    file_format: str | None = None,
    column_names: Sequence[str] | None = None,
) -> pa.Table:
    """Read a whole file; see `read_batches`."""
    batches = list(read_batches(path, encoding=encoding, file_format=file_format, column_names=column_names))
    alike = all(batch.schema == batches[0].schema for batch in batches)
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    return pa.concat_tables(tables, promote_options="none" if alike else "permissive")


def _check_path(path: Path) -> None:
    # os.path, since pathlib raises for some names, such as overlong ones
    if os.path.isdir(path):  # noqa: PTH112
        raise DataError(f"expected a file, found the folder {path}; name a file in it")
    if not os.path.exists(path):  # noqa: PTH110
        raise DataError(f"expected a file, but there is no {path}{near_files(path)}")


def near_files(path: Path) -> str:
    """Name the files whose names are nearest to that of a missing one, as the end of a message."""
    try:
        return nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return f", nor a folder {path.parent}"


def filled(batches: Iterable[pa.RecordBatch], path: str | Path) -> Iterator[pa.RecordBatch]:
    """Pass on the batches that have rows.

    Raises:
        DataError: none has.
    """
    empty = True
    for batch in batches:
        if batch.num_rows:
            empty = False
            yield batch
    if empty:
        raise DataError(f"expected rows of text in {path}, but it is empty; is it the right file?")


def one_line(error: BaseException) -> str:
    """Say what an error says on one line, without its full stop."""
    return " ".join(str(error).split()).rstrip(".")


def _text_tables(blocks: Iterator[bytes], *, path: Path) -> Iterator[pa.Table]:
    labelled = False
    for first, run in whole_rows(blocks, path=path):
        lines = split_lines(run)
        labelled = run.startswith(PREFIX) if first == 1 else labelled
        yield labelled_lines(lines, first, path=path) if labelled else pa.table({"text": lines})


def _binary_batches(path: Path, kind: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    read = _parquet_batches if kind == "parquet" else _arrow_batches
    try:
        for batch in read(path, batch_rows):
            # Arrow trusts a file that its strings, and its columns' names, are UTF-8
            batch.validate(full=True)
            _ = batch.schema.names
            yield batch
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(
            f"expected a whole {kind.capitalize()} file, but {path} cannot be read: {one_line(error)}; "
            "fetch or write it anew"
        ) from error


def _parquet_batches(path: Path, batch_rows: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_rows)


def _arrow_batches(path: Path, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Read Arrow's file or stream; Feather is the former, ``datasets`` writes the latter."""
    # not mapped into memory: a file that is cut meanwhile would end the process
    with pa.OSFile(str(path)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
        batches = (reader.get_batch(at) for at in range(reader.num_record_batches)) if is_file else reader
        for batch in batches:
            for begin in range(0, batch.num_rows, batch_rows):
                yield batch.slice(begin, batch_rows)


def _csv_tables(
    blocks: Iterator[bytes], *, path: Path, delimiter: str, names: Sequence[str] | None
) -> Iterator[pa.Table]:
    """Parse a CSV; the first row that is not blank holds the names of the columns, unless they are given."""
    any_rows = False
    for first, run in whole_rows(blocks, path=path, quotes=Quotes(delimiter, path=path)):
        line, rows = first, run
        if names is None:
            header = _row(run, 1, path=path, delimiter=delimiter)
            if header is None:
                continue
            at, end = header
            names = _header(run[at:end], path=path, delimiter=delimiter)
            line, rows = first + run.count(b"\n", 0, end), run[end:]
        if rows:
            table = _parse_csv(rows, names, line, path=path, delimiter=delimiter)
            any_rows = any_rows or table.num_rows > 0
            yield table
    if names is not None and not any_rows:
        raise DataError(f"expected rows below the header of {path}, found only {list(names)}; is it the right file?")


def _header(row: bytes, *, path: Path, delimiter: str) -> list[str]:
    table = _parse_csv(row, None, 1, path=path, delimiter=delimiter)
    if table.num_rows:
        raise DataError(f"expected lines that end in a newline, but {path} ends them in carriage returns; convert them")
    return table.column_names


def _parse_csv(rows: bytes, names: Sequence[str] | None, line: int, *, path: Path, delimiter: str) -> pa.Table:
    """Parse whole rows, the first of which is in line ``line``, all columns as strings; without names, a header."""
    ragged: list[csv.InvalidRow] = []

    def refuse(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    try:
        return csv.read_csv(
            pa.BufferReader(rows),
            # one block: rows are then numbered, and a row is never cut
            read_options=csv.ReadOptions(use_threads=False, block_size=len(rows) + 1, column_names=names),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names or (), pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
    except pa.ArrowException as error:
        if not ragged:
            raise DataError(
                f"expected rows of columns, but {path} from line {line} on cannot be read: {one_line(error)}; mend it"
            ) from error
        row = ragged[0]
        found = _row(rows, row.number, path=path, delimiter=delimiter)
        line += rows.count(b"\n", 0, found[0] if found else None)
        raise DataError(
            f"expected {row.expected_columns} columns in each row of {path}, as in its first, but line {line} "
            f"has {row.actual_columns}; put a field that holds {DELIMITERS[delimiter]} in quotes"
        ) from error


def _row(rows: bytes, number: int, *, path: Path, delimiter: str) -> tuple[int, int] | None:
    """Begin and end of the row with this number, from 1, blank rows not counted; None where there is none."""
    quotes = Quotes(delimiter, path=path)
    begin = at = 0
    for line in io.BytesIO(rows):
        at += len(line)
        if quotes.feed(line) or at == len(rows):
            if rows[begin:at].strip(b"\r\n"):
                number -= 1
                if number == 0:
                    return begin, at
            begin = at
    return None
