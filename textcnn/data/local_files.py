"""One local file of texts as Arrow record batches.

Formats: CSV, TSV, JSON Lines, Parquet, Arrow (Feather), and text with one text per line, plain or with fastText's
labels.

A CSV may have another delimiter than its ending says, which its header shows, and comments or `sep=;` before it.
Values stay as written: every CSV column is a column of strings, so "007" stays "007", and no string of JSON turns
into a time. Messages count rows from 1 without the header, and lines as the file has them.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textcnn.data._csv import csv_tables
from textcnn.data._dialect import QUOTING, checked_delimiter
from textcnn.data._fasttext_lines import PREFIX, labelled_lines
from textcnn.data._jsonlines import json_tables
from textcnn.data._rows import whole_rows
from textcnn.data.decoding import raw_blocks, text_decoder, utf8_blocks
from textcnn.data.lines import split_lines
from textcnn.errors import ConfigError, DataError, one_line
from textcnn.files import nearest_files

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
"""File name endings and their formats; all but Parquet and Arrow may be followed by `.gz`."""

_BINARY = ("parquet", "arrow")
_MARKS = b"\xef\xbb\xbf\xff\xfe"

_BATCH_ROWS = 16_384


def format_of(path: Path) -> str:
    """Return a file's format according to its name.

    Args:
        path: The file.

    Returns:
        A value of `FORMATS`.

    Raises:
        DataError: The ending is unknown.
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
    """Return whether a file has columns, rather than one text per line.

    A text file has columns if its first line begins with a label, as in fastText's format.

    Args:
        path: The file.

    Raises:
        DataError: The ending is unknown, or a text file is missing or cannot be read.
    """
    path = Path(path)
    if format_of(path) != "text":
        return True
    check_path(path)
    # In any encoding: in UTF-16 there are NULs between the letters of a label.
    head = next(raw_blocks(path), b"")[:64].lstrip(_MARKS).replace(b"\0", b"")
    return head.startswith(PREFIX)


def read_batches(
    path: str | Path,
    *,
    encoding: str = "utf-8",
    file_format: str | None = None,
    column_names: Sequence[str] | None = None,
    delimiter: str | None = None,
    quoting: str = "auto",
    header: bool = True,
    batch_rows: int = _BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Stream a file's rows with all their columns, in constant memory.

    The path, the format and the name of the encoding are checked by the call, the content as it is read. An empty CSV
    field is null, a quoted empty field is the empty string. A text file gives a column `text` with one value per line,
    and a column `label` if its first line begins with `__label__`. A JSON Lines column that first appears in a late
    row, or changes from whole numbers to fractions, has its new form from that batch on.

    Args:
        path: The file; decompressed if its name ends in `.gz`.
        encoding: The encoding of a text format; a byte-order mark is dropped.
        file_format: A value of `FORMATS`; if None, taken from the name.
        column_names: The columns of a CSV or TSV without a header, if they are known.
        delimiter: The delimiter of a CSV or TSV; if None, it is found by the header.
        quoting: How quotes in a CSV or TSV are read: `auto`, or `none` for fields as written.
        header: Whether a CSV or TSV has a header; if not, its columns are named `1`, `2` and so on.
        batch_rows: The largest number of rows in a batch.

    Yields:
        Batches of at least one row.

    Raises:
        ConfigError: The delimiter is not one character, the quoting is unknown, or a file without a header is no CSV
            or TSV.
        DataError: The file is missing, has no rows, or does not match its format; the message names the line.
    """
    delimiter = None if delimiter is None else checked_delimiter(delimiter)
    if quoting not in QUOTING:
        raise ConfigError(f"expected {' or '.join(QUOTING)} as quoting, found {quoting!r}")
    path = Path(path)
    check_path(path)
    kind = file_format or format_of(path)
    if not header and kind not in ("csv", "tsv"):
        raise ConfigError(f"expected a CSV or TSV to read without a header, found {path}; leave out --no-header")
    text_decoder(encoding)
    separated = partial(csv_tables, delimiter=delimiter, quoted=quoting != "none", header=header, names=column_names)
    if kind in _BINARY:
        return non_empty(_binary_batches(path, kind, batch_rows), path)
    parsers: dict[str, Callable[..., Iterator[pa.Table]]] = {
        "csv": partial(separated, usual=","),
        "tsv": partial(separated, usual="\t"),
        "jsonl": json_tables,
        "text": _text_tables,
    }
    tables = parsers[kind](utf8_blocks(path, encoding), path=path)
    return non_empty((batch for table in tables for batch in table.to_batches(batch_rows)), path)


def read_table(path: str | Path, **options: Any) -> pa.Table:
    """Read a whole file into memory; arguments and errors as for `read_batches`."""
    batches = list(read_batches(path, **options))
    alike = all(batch.schema == batches[0].schema for batch in batches)
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    return pa.concat_tables(tables, promote_options="none" if alike else "permissive")


def non_empty(batches: Iterable[pa.RecordBatch], path: str | Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches that have rows.

    Args:
        batches: Batches, some of them empty.
        path: Where they come from, for the error.

    Raises:
        DataError: None of them has rows.
    """
    empty = True
    for batch in batches:
        if batch.num_rows:
            empty = False
            yield batch
    if empty:
        raise DataError(f"expected rows of text in {path}, but it is empty; check that it is the right file")


def matching_files(pattern: str) -> list[Path]:
    """Return the files that a pattern with `*`, `?` or `[...]` matches, sorted by name; none if it is no pattern."""
    if not glob.has_magic(pattern):
        return []
    try:
        return sorted(Path(name) for name in glob.glob(pattern) if os.path.isfile(name))  # noqa: PTH113, PTH207
    except ValueError:  # NUL
        return []


def named_files(sources: Iterable[str | Path]) -> list[Path]:
    """Return the files of these names, or else those that each matches as a pattern; a missing one as it is named."""
    return [
        path
        for source in sources
        # os.path, since pathlib raises for some names, such as overlong ones
        for path in (not os.path.exists(source) and matching_files(str(source))) or [Path(source)]  # noqa: PTH110
    ]


def check_path(path: Path) -> None:
    """Raise DataError unless a path is that of a file; a pipe is one."""
    # os.path, since pathlib raises for some names, such as overlong ones
    if os.path.isdir(path):  # noqa: PTH112
        raise DataError(f"expected a file, found the folder {path}; name a file in it")
    if not os.path.exists(path):  # noqa: PTH110
        raise DataError(f"expected a file, but there is no {path}{nearest_files(path)}")


def _text_tables(blocks: Iterator[bytes], *, path: Path) -> Iterator[pa.Table]:
    labelled = False
    for first, run in whole_rows(blocks, path=path):
        lines = split_lines(run)
        labelled = run.startswith(PREFIX) if first == 1 else labelled
        yield labelled_lines(lines) if labelled else pa.table({"text": lines})


def _binary_batches(path: Path, kind: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    read = _parquet_batches if kind == "parquet" else _arrow_batches
    try:
        for batch in read(path, batch_rows):
            # Arrow does not check that a file's strings and column names are UTF-8.
            batch.validate(full=True)
            _ = batch.schema.names
            yield batch
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(
            f"expected an intact {kind.capitalize()} file, but {path} cannot be read: {one_line(error)}; "
            "download or write it again"
        ) from error


def _parquet_batches(path: Path, batch_rows: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_rows)


def _arrow_batches(path: Path, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Read Arrow's file format (Feather) or its stream format (which `datasets` writes)."""
    # Not memory-mapped: if the file were truncated meanwhile, the process would be killed.
    with pa.OSFile(str(path)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches)) if is_file else reader
        for batch in batches:
            for begin in range(0, batch.num_rows, batch_rows):
                yield batch.slice(begin, batch_rows)
