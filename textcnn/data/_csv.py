"""CSV and TSV as Arrow tables of strings, with errors that name the line."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from textcnn.data._dialect import DELIMITERS, HEAD, Dialect, find_dialect, named, on_command_line
from textcnn.data._rows import LONGEST_ROW, Quotes, whole_rows
from textcnn.errors import DataError, one_line


def csv_tables(
    blocks: Iterator[bytes],
    *,
    path: Path,
    usual: str,
    delimiter: str | None = None,
    quoted: bool = True,
    header: bool = True,
    names: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """Parse CSV or TSV; every column is a column of strings.

    An empty field is null, a quoted empty field is the empty string. A row separated by tabs is one line, and a quote
    in it belongs to the text unless the whole field is quoted. Without quoting, every row is one line.

    Args:
        blocks: The file as UTF-8.
        path: The file, for the errors.
        usual: The delimiter of the format, unless the header shows another.
        delimiter: The delimiter, if it is known.
        quoted: Whether quotes may enclose fields; if not, fields are as written.
        header: Whether the first row that is not blank is a header; if not, columns are named "1", "2" and so on.
        names: The columns of a file without a header, if they are known.

    Yields:
        A table per run of rows.

    Raises:
        DataError: There are no rows after the header, rows differ in length, or a quote is misplaced.
    """
    first_line = 1
    dialect = Dialect(delimiter or usual, quoted=quoted)
    if names is None:
        head, whole = _head(blocks)
        whole = whole and len(head) <= HEAD
        dialect = find_dialect(head[:HEAD], usual, delimiter, whole=whole, quoted=quoted, header=header)
        first_line += head.count(b"\n", 0, dialect.skipped)
        blocks = chain([head[dialect.skipped :]], blocks)
    if dialect.spaced:
        blocks = _without_blanks(blocks, dialect.delimiter)
    quotes = _quotes(dialect, path, first_line)
    any_rows = False
    for first, run in whole_rows(blocks, path=path, quotes=quotes, first_line=first_line):
        line, rows = first, run
        if names is None:
            found = _first_row(run, path, dialect)
            if found is None:
                continue
            names, end = found
            if header:
                line, rows = first + run.count(b"\n", 0, end), run[end:]
            else:
                names = [str(number) for number in range(1, len(names) + 1)]
        if rows:
            table = _parse(rows, names, line, path=path, dialect=dialect)
            any_rows = any_rows or table.num_rows > 0
            yield table
    if names is not None and not any_rows:
        raise DataError(
            f"expected rows after the header of {path}, found only {list(names)}; check that it is the right file"
        )


def _quotes(dialect: Dialect, path: Path, first_line: int = 1) -> Quotes | None:
    """Return what follows quotes over several lines; None if every row is one line."""
    if dialect.delimiter == "\t" or not dialect.quoted:
        return None
    return Quotes(dialect.delimiter, path=path, first_line=first_line)


def _first_row(run: bytes, path: Path, dialect: Dialect) -> tuple[list[str], int] | None:
    """Return the fields of the first row that is not blank, and where it ends; None if there is none."""
    one_line_each = _quotes(dialect, path) is None
    row = _row(_quoted(run, None) if one_line_each and dialect.quoted else run, 1, path=path, dialect=dialect)
    if row is None:
        return None
    begin = len(run) - len(run.lstrip(b"\r\n"))
    end = run.find(b"\n", begin) + 1 or len(run) if one_line_each else row[1]
    return _header(run[begin:end], path=path, dialect=dialect), end


def _head(blocks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return the first blocks, joined, and whether these are all."""
    head = b""
    for block in blocks:
        head += block
        if len(head) > HEAD:
            return head, False
    return head, True


def _without_blanks(blocks: Iterable[bytes], delimiter: str) -> Iterator[bytes]:
    """Remove the blanks before fields."""
    field = re.compile(rb'([\n%s]) *("[^"]*(?:""[^"]*)*"?)?' % re.escape(delimiter.encode()))
    pending, begun = b"\n", False
    for block in chain(blocks, [b""]):
        data = pending + block
        end = len(data)
        if block and end <= LONGEST_ROW:
            # A field at the end may go on in the next block.
            last = next((each for each in field.finditer(data) if each.end() == len(data)), None)
            end = last.start() if last else end
        done = field.sub(rb"\1\2", data[:end])
        pending = data[end:]
        if done:
            yield done if begun else done[1:]
            begun = True


def _quoted(rows: bytes, columns: int | None) -> bytes:
    """Quote the fields of tab-separated lines that begin with a quote without being quoted as a whole.

    Args:
        rows: Whole lines.
        columns: How many fields a line should have: if it has more, tabs inside quoted fields belong to these.
    """
    if b'"' not in rows:
        return rows
    lines = rows.split(b"\n")
    for i, line in enumerate(lines):
        if b'"' in line:
            body = line.rstrip(b"\r")
            fields = body.split(b"\t")
            if len(fields) != columns and columns is not None:
                joined = [each[0] for each in _TAB_FIELD.finditer(body)]
                fields = joined if len(joined) == columns else fields
            lines[i] = b"\t".join(map(_quoted_field, fields)) + line[len(body) :]
    return b"\n".join(lines)


_QUOTED_FIELD = re.compile(rb'"[^"]*(?:""[^"]*)*"')
_TAB_FIELD = re.compile(rb'(?:(?<=\t)|^)(?:"[^"]*(?:""[^"]*)*"(?=\t|$)|[^\t]*)')


def _quoted_field(field: bytes) -> bytes:
    if not field.startswith(b'"') or _QUOTED_FIELD.fullmatch(field):
        return field
    return b'"' + field.replace(b'"', b'""') + b'"'


def _header(row: bytes, *, path: Path, dialect: Dialect) -> list[str]:
    table = _parse(row + b"\n", None, 1, path=path, dialect=dialect)  # Arrow needs a line end after a header alone
    if table.num_rows:
        raise DataError(f"expected lines that end in a newline, but {path} ends them in carriage returns; convert them")
    return table.column_names


def _parse(rows: bytes, names: Sequence[str] | None, line: int, *, path: Path, dialect: Dialect) -> pa.Table:
    """Parse whole rows that begin in line `line`; if `names` is None, the first row is a header."""
    if dialect.delimiter == "\t" and dialect.quoted:
        rows = _quoted(rows, None if names is None else len(names))
    ragged: list[csv.InvalidRow] = []

    def refuse(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    try:
        return csv.read_csv(
            pa.BufferReader(rows),
            # One block: rows are then numbered, and a row is never cut.
            read_options=csv.ReadOptions(use_threads=False, block_size=len(rows) + 1, column_names=names),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.quoted else False,
                newlines_in_values=dialect.quoted,
                invalid_row_handler=refuse,
            ),
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
        found = _row(rows, row.number, path=path, dialect=dialect)
        line += rows.count(b"\n", 0, found[0] if found else None)
        raise DataError(
            f"expected {row.expected_columns} columns in every row of {path}, as in its first, but line {line} "
            f"has {row.actual_columns}; {_advice(names or (), row.actual_columns, dialect)}"
        ) from error


def _advice(names: Sequence[str], found: int, dialect: Dialect) -> str:
    delimiter = dialect.delimiter
    other = next((mark for mark in DELIMITERS if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        return f"if {named(other)} separates its fields, give --delimiter {on_command_line(other)}"
    if found > len(names) and not dialect.quoted:
        return f"fields as written (--quoting none) cannot contain {named(delimiter)}"
    if delimiter == "\t" and found < len(names):
        return "a row is one line: save texts with line breaks as CSV"
    return f"quote fields that contain {named(delimiter)}"


def _row(rows: bytes, number: int, *, path: Path, dialect: Dialect) -> tuple[int, int] | None:
    """Return where the row with this number begins and ends, from 1 and without blank rows; None if there is none."""
    quotes = Quotes(dialect.delimiter, path=path) if dialect.quoted else None
    begin = end = 0
    for line in io.BytesIO(rows):
        end += len(line)
        if quotes is None or quotes.feed(line) or end == len(rows):
            if rows[begin:end].strip(b"\r\n"):
                number -= 1
                if number == 0:
                    return begin, end
            begin = end
    return None
