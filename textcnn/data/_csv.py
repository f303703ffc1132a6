"""CSV and TSV as Arrow tables of strings, with errors that name the line."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from textcnn.data._rows import DELIMITERS, Quotes, whole_rows
from textcnn.errors import DataError, one_line


def csv_tables(
    blocks: Iterator[bytes], *, path: Path, delimiter: str, names: Sequence[str] | None
) -> Iterator[pa.Table]:
    """Parse CSV or TSV; every column is a column of strings.

    An empty field is null, a quoted empty field is the empty string.

    Args:
        blocks: The file as UTF-8.
        path: The file, for the errors.
        delimiter: A key of `DELIMITERS`.
        names: The columns of a file without a header; if None, the first row that is not blank is the header.

    Yields:
        A table per run of rows.

    Raises:
        DataError: There are no rows after the header, rows differ in length, or a quote is misplaced.
    """
    any_rows = False
    for first, run in whole_rows(blocks, path=path, quotes=Quotes(delimiter, path=path)):
        line, rows = first, run
        if names is None:
            header = _row(run, 1, path=path, delimiter=delimiter)
            if header is None:
                continue
            begin, end = header
            names = _header(run[begin:end], path=path, delimiter=delimiter)
            line, rows = first + run.count(b"\n", 0, end), run[end:]
        if rows:
            table = _parse(rows, names, line, path=path, delimiter=delimiter)
            any_rows = any_rows or table.num_rows > 0
            yield table
    if names is not None and not any_rows:
        raise DataError(
            f"expected rows after the header of {path}, found only {list(names)}; check that it is the right file"
        )


def _header(row: bytes, *, path: Path, delimiter: str) -> list[str]:
    table = _parse(row, None, 1, path=path, delimiter=delimiter)
    if table.num_rows:
        raise DataError(f"expected lines that end in a newline, but {path} ends them in carriage returns; convert them")
    return table.column_names


def _parse(rows: bytes, names: Sequence[str] | None, line: int, *, path: Path, delimiter: str) -> pa.Table:
    """Parse whole rows that begin in line `line`; if `names` is None, the first row is a header."""
    ragged: list[csv.InvalidRow] = []

    def refuse(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    try:
        return csv.read_csv(
            pa.BufferReader(rows),
            # One block: rows are then numbered, and a row is never cut.
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
                f"expected rows of columns, but {path} cannot be read from line {line}: {one_line(error)}; fix it"
            ) from error
        row = ragged[0]
        found = _row(rows, row.number, path=path, delimiter=delimiter)
        line += rows.count(b"\n", 0, found[0] if found else None)
        raise DataError(
            f"expected {row.expected_columns} columns in every row of {path}, as in its first, but line {line} "
            f"has {row.actual_columns}; quote fields that contain {DELIMITERS[delimiter]}"
        ) from error


def _row(rows: bytes, number: int, *, path: Path, delimiter: str) -> tuple[int, int] | None:
    """Return where the row with this number begins and ends, from 1 and without blank rows; None if there is none."""
    quotes = Quotes(delimiter, path=path)
    begin = end = 0
    for line in io.BytesIO(rows):
        end += len(line)
        if quotes.feed(line) or end == len(rows):
            if rows[begin:end].strip(b"\r\n"):
                number -= 1
                if number == 0:
                    return begin, end
            begin = end
    return None
