"""How a CSV is written: its delimiter, lines before its header, blanks before its fields; found in its first rows."""

from __future__ import annotations

import csv
import io
import re
from typing import Literal, NamedTuple

from textcnn.errors import ConfigError

HEAD = 1 << 16
"""Bytes of a file to find its dialect in."""

DELIMITERS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a vertical bar"}
QUOTING = ("auto", "none")
"""How quotes are read: `auto` as CSV and TSV have them, `none` as characters of the text."""

_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_SEPARATOR_LINE = re.compile(rb'\A(?:"sep=(.)"|sep=(.))[^\n]*\n?')


class Dialect(NamedTuple):
    """How a CSV is written.

    Attributes:
        delimiter: One character.
        skipped: Number of bytes before the header: a line `sep=;`, comments.
        spaced: Whether blanks after a delimiter do not belong to the field, as in `a, "b"`.
        quoted: Whether quotes may enclose fields; if not, they belong to the text.
    """

    delimiter: str
    skipped: int = 0
    spaced: bool = False
    quoted: bool = True


def checked_delimiter(delimiter: str) -> str:
    r"""Return a delimiter as one character.

    Args:
        delimiter: The character, or `tab` or `\t`.

    Raises:
        ConfigError: It is not one ASCII character that can separate fields.
    """
    found = _NAMED.get(delimiter.lower(), delimiter)
    if len(found) != 1 or not found.isascii() or found.isalnum() or found in '"\r\n\0':
        raise ConfigError(f"expected one ASCII character, such as ; or tab, as the delimiter, found {delimiter!r}")
    return found


def named(delimiter: str) -> str:
    """Return a delimiter's name in messages."""
    return DELIMITERS.get(delimiter, repr(delimiter))


def on_command_line(delimiter: str) -> str:
    """Return a delimiter as an argument of `--delimiter`."""
    return "tab" if delimiter == "\t" else f"'{delimiter}'"


def find_dialect(
    head: bytes, usual: str, given: str | None = None, *, whole: bool, quoted: bool = True, header: bool = True
) -> Dialect:
    """Return the dialect of a CSV.

    Another delimiter than the usual one is taken if the header has it, has not the usual one, and every row of the
    head has the same number of fields. Without a header, the delimiter is the usual one if none is given, and a line
    that begins with `#` is a row.

    Args:
        head: The first bytes of the file, UTF-8.
        usual: The delimiter of its format.
        given: The delimiter that the caller names.
        whole: Whether `head` is the whole file.
        quoted: Whether quotes may enclose fields.
        header: Whether the first row is a header.
    """
    separator = _SEPARATOR_LINE.match(head)
    begin = separator.end() if separator else 0
    if separator and given is None:
        given = (separator[1] or separator[2]).decode("ascii", "replace")
    if not header:
        given = given or usual
    lines = re.findall(rb"[^\n]*\n|[^\n]+", head[begin:])
    comments = (b"#",) if header else ()
    plain = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith(comments)), 0)
    text = b"".join(lines[plain:]).decode("utf-8", "ignore")
    delimiter = given or _delimiter(text, usual, whole=whole, quoted=quoted)
    for i in range(plain):
        if lines[i].startswith(b"#") and not _is_comment(lines[i], lines[plain], delimiter, quoted=quoted):
            plain = i
            break
    skipped = begin + sum(map(len, lines[:plain])) if plain or begin else 0
    spaced = quoted and _is_spaced(text, delimiter, whole=whole)
    return Dialect(delimiter, skipped, spaced, quoted)


def _delimiter(text: str, usual: str, *, whole: bool, quoted: bool) -> str:
    rows = _rows(text, usual, whole=True, quoted=quoted)
    if not rows or len(rows[0]) > 1:
        return usual
    fields = {usual: 1}
    for other in DELIMITERS:
        if other not in (usual, ","):
            rows = _rows(text, other, whole=whole, quoted=quoted)
            if rows and all(len(row) == len(rows[0]) for row in rows):
                fields[other] = len(rows[0])
    return max(fields, key=lambda each: fields[each])


def _is_comment(line: bytes, first: bytes, delimiter: str, *, quoted: bool) -> bool:
    """Return whether a line with `#` is not a header, given the first line without."""
    rows = [_rows(each.decode("utf-8", "ignore"), delimiter, whole=True, quoted=quoted) for each in (line, first)]
    counts = [len(found[0]) for found in rows]
    return counts[0] != counts[1] or (counts[0] == 1 and not line[1:2].isalnum())


def _is_spaced(text: str, delimiter: str, *, whole: bool) -> bool:
    if delimiter in "\t " or f"{delimiter} " not in text:
        return False
    written = _rows(text, delimiter, whole=whole)
    if not any(field.startswith(" ") and field.lstrip(" ").startswith('"') for row in written for field in row):
        return False
    rows = _rows(text, delimiter, whole=whole, spaced=True)
    return bool(rows) and all(len(row) == len(rows[0]) for row in rows)


def _rows(text: str, delimiter: str, *, whole: bool, spaced: bool = False, quoted: bool = True) -> list[list[str]]:
    """Return the rows that are not blank, the last one only if `whole`; none if quotes are misplaced."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted and delimiter != "\t" else csv.QUOTE_NONE
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, skipinitialspace=spaced, strict=spaced)
    rows = []
    try:
        for row in reader:
            if row:
                rows.append(row)
    except csv.Error:
        if whole or lines.read(1):
            return []
        return rows
    return rows if whole else rows[:-1] or rows
