"""The plain formats, text and binary, read in one streaming pass.

- word2vec binary: a header ``count dimension``, then for each word its bytes, a space and
  ``dimension`` little-endian float32 numbers. The original tool writes a newline after each vector,
  gensim does not; both are read. Source: Mikolov et al. (2013), https://code.google.com/archive/p/word2vec/
- word2vec text, which is also fastText's ``.vec``: the same header, then one word and its numbers per line. Its
  lines can be read without the count, which tools and people get wrong: another number of words gets a warning.
- GloVe: the same lines without the header (Pennington et al., 2014). A word may contain spaces, so a
  line is split from the right.

Words stay bytes, and numbers are only parsed for wanted words: reading a file of three million words
costs little more than finding where each record begins.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from textcnn.errors import VectorsError
from textcnn.vectors._block_stream import DAMAGED, BlockStream, counted, shown
from textcnn.vectors._word_rows import MAX_DIMENSION, Layout, Reader, WantedRows

_MAX_LINE = 1 << 20  # bytes; the bounds keep a foreign file from filling the memory
MAX_WORD = 4096  # bytes, in a binary file

_NUMERIC = b"0123456789+-.eEinfatyINFATY \t\r"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\xfd7zXZ": "an xz file: unpack it first",
    b"\x1f\x8b": "a file gzipped twice: unpack it first",
    b"\xba\x16\x4f\x2f": "a fastText binary model: use the `.vec` file that belongs to it",
}
_EXPECTED = "expected word vectors (word2vec, GloVe, fastText `.vec` or gensim `.kv`), found"


class _BadRowError(Exception):
    """A line of text is not a word and its numbers; the message says what was found."""


def recognise(stream: BlockStream) -> tuple[Layout, Reader]:
    """Recognise the format by the first bytes of a file.

    Raises:
        VectorsError: The file holds no word vectors.
    """
    head, path = stream.head, stream.path
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise VectorsError(f"{path}: {_EXPECTED} {what}")
    begin = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    first = head[begin:].split(b"\n", 1)[0]
    start = begin + len(first) + 1
    fields = first.rstrip(b" \t\r").split(b" ")
    if len(fields) == 2:
        count, dimension = _header(fields, path)
        if _is_binary(head[start:], dimension, path):
            layout = Layout("word2vec binary", dimension, count)
            return layout, partial(_read_binary, stream, layout, start)
        layout = Layout("word2vec text", dimension, count, exact=False)
        return layout, partial(_read_text, stream, layout, start)
    dimension = len(fields) - 1
    if 2 <= dimension <= MAX_DIMENSION and _numbers(fields[1:]) is not None:
        layout = Layout("GloVe text", dimension, None)
        return layout, partial(_read_text, stream, layout, begin)
    raise VectorsError(f"{path}: {_EXPECTED} a file that begins with {shown(first)}; give a word-vector file")


def _header(fields: list[bytes], path: Path) -> tuple[int, int]:
    # Converting takes quadratic time, so fields of more than 18 digits are refused.
    if all(re.fullmatch(rb"[0-9]{1,18}", field) for field in fields):
        count, dimension = int(fields[0]), int(fields[1])
        if count and 1 <= dimension <= MAX_DIMENSION:
            return count, dimension
    raise VectorsError(
        f"{path}, line 1: expected the header 'words dimension' with at least 1 word and 1 to "
        f"{MAX_DIMENSION:,} dimensions, found {shown(b' '.join(fields))}; give a word-vector file"
    )


def _is_binary(records: bytes, dimension: int, path: Path) -> bool:
    """Distinguish the two word2vec formats by the first of the `records` after the header."""
    row = records.split(b"\n", 1)[0]
    try:
        _parse_row(row, dimension)
    except _BadRowError as error:
        # Four bytes of digits and signs are a broken row rather than a float32.
        numbers = row.partition(b" ")[2]
        if len(numbers) >= 4 and not numbers.strip(_NUMERIC):
            raise _row_error(path, 2, dimension, str(error)) from error
        return True
    return False


def _read_binary(stream: BlockStream, layout: Layout, start: int, rows: WantedRows) -> bytes:
    """Read the records, and return the bytes after the last one."""
    size = 4 * layout.dimension
    count = layout.count or 0
    # Where a record begins depends on the length of every word before it, so the records of a block are
    # walked one by one; a regular expression does so a third faster than a loop. Its second branch takes
    # the rest of the block at once, so that a match only ever begins where a record does.
    records = re.compile(rb"([^ ]{0,%d}) .{%d}|.+" % (MAX_WORD - 1, size), re.DOTALL)
    tail = b""
    for block in stream.blocks(start):
        data = tail + block
        words = records.findall(data)
        end = _end_of(words, size)
        if end != len(data) or data[-size - 1] != ord(" "):
            words.pop()  # the rest, as an empty word
            end = _end_of(words, size)
        _put_records(words[: rows.room()], data, layout.dimension, rows)
        if not rows.room():
            return b""
        tail = data[end:]
        if rows.total >= count:
            tail = tail.strip()  # only blank bytes may follow the last word
            if tail or rows.total > count:
                break
        elif len(tail) > MAX_WORD and b" " not in tail[:MAX_WORD]:
            raise VectorsError(
                f"{stream.path}, word {rows.total + 1:,}: expected a word and a space (word2vec binary), found "
                f"{MAX_WORD:,} bytes without one; the header does not fit the contents, or {DAMAGED}"
            )
    return tail.strip()


def _end_of(words: list[bytes], size: int) -> int:
    """Return the number of bytes in the records of these words: word, space, numbers."""
    return sum(map(len, words)) + len(words) * (1 + size)


def _put_records(words: list[bytes], data: bytes, dimension: int, rows: WantedRows) -> None:
    """Keep the wanted records of `data`, which begins with the record of the first word."""
    names = [word.lstrip(b"\n") for word in words] if b"\n" in b"".join(words) else words
    end = done = 0
    for index in [index for index, name in enumerate(names) if name in rows.wanted]:
        end += _end_of(words[done : index + 1], 4 * dimension)
        done = index + 1
        values = np.frombuffer(data, "<f4", dimension, end - 4 * dimension)
        rows.put(names[index], values, f"word {rows.total + done:,}")
    rows.count(names)


def _read_text(stream: BlockStream, layout: Layout, start: int, rows: WantedRows) -> bytes:
    """Read the lines; none remains."""
    line = 0 if layout.count is None else 1  # lines read so far
    tail = last = b""
    last_line = 0
    firsts = rows.first_pieces()
    for block in chain(stream.blocks(start), [b"\n"]):  # the last line may lack its newline
        data = tail + block
        find = data.find
        position = start = stop = 0
        words: list[bytes] = []
        room = rows.room()
        while (end := find(b"\n", position)) >= 0:
            line += 1
            space = find(b" ", position, end)
            if space >= 0:
                word = data[position:space]
                if word in firsts:
                    _put_line(data[position:end], line, rows)
                words.append(word)
                start, stop, last_line = position, end, line
                if len(words) == room:
                    break
            elif data[position:end].strip():
                raise _row_error(stream.path, line, layout.dimension, "no number")
            position = end + 1
        rows.count(words)
        last = data[start:stop] if words else last
        if not rows.room():
            tail = b""
            break
        tail = data[position:]
        if len(tail) > _MAX_LINE:
            raise _row_error(stream.path, line + 1, layout.dimension, f"a line of more than {_MAX_LINE:,} bytes")
    try:
        _parse_row(last, layout.dimension)
    except _BadRowError as error:
        raise _row_error(stream.path, last_line, layout.dimension, str(error)) from error
    return tail


def _put_line(line: bytes, number: int, rows: WantedRows) -> None:
    """Keep the vector of a line if its whole word is wanted."""
    dimension = rows.layout.dimension
    try:
        word, numbers = _parse_row(line, dimension)
    except _BadRowError as error:
        raise _row_error(rows.name, number, dimension, str(error)) from error
    if word in rows.wanted:
        with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which is refused
            values = np.array(numbers).astype(np.float32)
        rows.put(word, values, f"line {number:,}")


def _parse_row(line: bytes, dimension: int) -> tuple[bytes, list[float]]:
    """Split a line from the right into a word, which may contain spaces, and its D numbers."""
    fields = line.rstrip(b" \t\r").rsplit(b" ", dimension)
    if len(fields) != dimension + 1:
        raise _BadRowError(counted(len(fields) - 1))
    numbers = _numbers(fields[1:])
    if numbers is None:
        bad = next(field for field in fields[1:] if _numbers([field]) is None)
        raise _BadRowError(f"{shown(bad)} among them")
    surplus = fields[0].split(b" ")[1:]
    # No known word ends in a space and a number: that is a row with too many numbers.
    if surplus and _numbers(surplus[-1:]) is not None:
        raise _BadRowError(counted(dimension + sum(_numbers([field]) is not None for field in surplus)))
    return fields[0], numbers


def _numbers(fields: list[bytes]) -> list[float] | None:
    try:
        return list(map(float, fields))
    except ValueError:
        return None


def _row_error(name: str | Path, line: int, dimension: int, found: str) -> VectorsError:
    expected = f"expected a word and {counted(dimension)}"
    return VectorsError(f"{name}, line {line:,}: {expected}, found {found}; {DAMAGED}")
