"""Pretrained word vectors, read in one streaming pass that keeps only the words asked for.

Formats, recognised by their content and never by their suffix, plain or gzipped:

- word2vec binary: a header ``count dimension``, then for each word its bytes, a space and
  ``dimension`` little-endian float32 numbers. The original tool writes a newline after each vector,
  gensim does not; both are read. Origin: Mikolov et al. (2013), https://code.google.com/archive/p/word2vec/
- word2vec text, which is fastText's ``.vec`` too: the same header, then a word and its numbers a line.
- GloVe: the same lines without the header (Pennington et al., 2014). Its words may contain spaces, so a
  line is split from the right.

Words stay bytes and numbers stay unread until a word is known to be wanted: a file of three million
words costs little more than finding where each record begins. gensim's own `.kv` is a pickle, and
loading one can run code: it is refused by name.
"""

from __future__ import annotations

import gzip
import logging
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textcnn.errors import VectorsError

if TYPE_CHECKING:
    from io import FileIO
    from os import PathLike

__all__ = ["WordVectors", "load_vectors"]

logger = logging.getLogger(__name__)

# Blocks this small stay in the processor's cache, where joining each to the last one's rest costs little.
_BLOCK = 1 << 18
_MAX_LINE = 1 << 20  # bytes; the bounds keep a foreign file from filling the memory
_MAX_WORD = 4096  # bytes, in a binary file
_MAX_DIMENSION = 10_000  # a first row of that many numbers still fits the first block

_NUMERIC = b"0123456789+-.eEinfatyINFATY \t\r"
_DAMAGED = "the file is damaged or incomplete: download or copy it again"
_FOREIGN = {
    b"\x80": "a pickle, as gensim's own `.kv` and `.model` are: write it with `save_word2vec_format`",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"BZh": "compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "compressed with xz: unpack it first",
    b"\x1f\x8b": "gzipped twice: unpack it first",
    b"\xba\x16\x4f\x2f": "fastText's own binary: use the `.vec` file that belongs to it",
}


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of a list of words, as far as a file had them.

    Attributes:
        matrix: float32 (V, D), row i for the i-th word asked for; zeros where it was not found.
        found: bool (V,), whether the file had the word in one of the spellings tried.
        words_in_file: How many words the file holds, wanted or not.
        undecodable: How many of these are not UTF-8; they are passed over.
        duplicates: How often a wanted word came again; its first vector is kept.
        format: The format read, such as ``word2vec binary``.
    """

    matrix: np.ndarray
    found: np.ndarray
    words_in_file: int
    undecodable: int
    duplicates: int
    format: str

    @property
    def dimension(self) -> int:
        """D, the numbers in one vector."""
        return int(self.matrix.shape[1])

    @property
    def found_count(self) -> int:
        """How many of the V words were found."""
        return int(np.count_nonzero(self.found))

    @property
    def coverage(self) -> float:
        """The share of the V words that was found, from 0 to 1."""
        return self.found_count / len(self.found)

    def filled(self, generator: np.random.Generator) -> np.ndarray:
        """Give the words that were not found random vectors, as Kim (2014, section 3.1.1) does.

        They come from U[-a, a], where a = sqrt(3 var) gives them the variance of the vectors found,
        taken over all their numbers.

        Args:
            generator: The source of randomness; equal generators give equal vectors.

        Returns:
            A new float32 matrix (V, D). A padding word among the words is filled like any other.
        """
        matrix = self.matrix.copy()
        bound = np.float32(np.sqrt(3 * np.var(self.matrix[self.found], dtype=np.float64)))
        missing = (len(self.found) - self.found_count, self.dimension)
        matrix[~self.found] = (2 * generator.random(missing, dtype=np.float32) - 1) * bound
        return matrix


def load_vectors(
    path: str | PathLike[str],
    words: Sequence[str],
    *,
    dimension: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> WordVectors:
    """Read the vectors of `words` from a word-vector file.

    A word is looked up as it is, then lower-cased, then capitalised: the earlier spelling wins,
    wherever the file has it. Of a word that the file holds twice the first vector counts. In text
    formats, numbers are read for wanted words and for the first and the last row alone.

    Args:
        path: A word2vec (binary or text), GloVe or fastText ``.vec`` file, plain or gzipped.
        words: The V words wanted, in the order of the rows to return.
        dimension: The D that the caller needs, if it is already settled.
        progress: Called now and then with the share of the file read, from 0 to 1.

    Returns:
        The vectors, with what is known of the file.

    Raises:
        VectorsError: The file is missing, unreadable, foreign, damaged, truncated or of another
            dimension; a wanted vector is not finite; or none of the words is in the file.
    """
    path = Path(path)
    if isinstance(words, str) or not words:
        raise VectorsError(f"expected a list of words to look up, found {words!r}; pass at least one word")
    with _Source(path, progress) as source:
        layout = _recognise(source.head, path)
        if dimension is not None and layout.dimension != dimension:
            raise VectorsError(
                f"{path}: expected {dimension}-dimensional vectors, found {layout.dimension} dimensions; "
                f"use another file or ask for {layout.dimension} dimensions"
            )
        rows = _Rows(path, words, layout.dimension)
        rest = (_read_binary if layout.binary else _read_text)(source, layout, rows)
    return rows.finish(layout, rest)


class _Source:
    """A file, gunzipped if need be, as a first block (`head`) and a stream of blocks."""

    def __init__(self, path: Path, progress: Callable[[float], None] | None) -> None:
        self.path = path
        self._progress = progress
        self._reported = 0.0
        self._raw, size = _open(path)
        self._size = max(size, 1)
        self._stream: FileIO | gzip.GzipFile = self._raw

    def __enter__(self) -> _Source:
        try:
            if self._read(2) == b"\x1f\x8b":
                self._stream = gzip.GzipFile(fileobj=self._raw)
            self._raw.seek(0)
            self.head = self._read(_BLOCK)
        except BaseException:
            self._raw.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise VectorsError(f"{self.path}: expected a whole gzip file, found: {error}; {_DAMAGED}") from error
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def blocks(self, start: int) -> Iterator[bytes]:
        """Yield what follows byte `start` of the head, and report progress."""
        block = self.head[start:]
        while block:
            yield block
            share = min(self._raw.tell() / self._size, 1.0)
            if self._progress is not None and share >= self._reported + 0.01:
                self._reported = share
                self._progress(share)
            block = self._read(_BLOCK)
        if self._progress is not None and self._reported < 1:
            self._progress(1.0)


def _open(path: Path) -> tuple[FileIO, int]:
    """Open a file, and only a file: a pipe or a device might never answer, or never end."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            return path.open("rb", buffering=0), status.st_size
    except FileNotFoundError as error:
        raise VectorsError(f"{path}: expected a word-vector file, found nothing there; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, error) from error
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
    raise VectorsError(f"{path}: expected a word-vector file, found {kind}; give the file itself")


@dataclass(frozen=True)
class _Layout:
    """What the first bytes say: `count` is None without a header, `start` is the first record's byte."""

    format: str
    binary: bool
    dimension: int
    count: int | None
    start: int


class _BadRowError(Exception):
    """A line of text is not a word and its numbers; the message says what was found."""


def _recognise(head: bytes, path: Path) -> _Layout:
    if not head:
        raise VectorsError(f"{path}: expected word vectors, found an empty file; {_DAMAGED}")
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise VectorsError(f"{path}: expected word2vec, GloVe or fastText `.vec` vectors, found {what}")
    begin = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    first = head[begin:].split(b"\n", 1)[0]
    after = begin + len(first) + 1
    fields = first.rstrip(b" \t\r").split(b" ")
    if len(fields) == 2:
        count, dimension = _header(fields, path)
        binary = _is_binary(head[after:], dimension, path)
        return _Layout(f"word2vec {'binary' if binary else 'text'}", binary, dimension, count, after)
    dimension = len(fields) - 1
    if 2 <= dimension <= _MAX_DIMENSION and _numbers(fields[1:]) is not None:
        return _Layout("GloVe text", False, dimension, None, begin)
    raise VectorsError(
        f"{path}: expected word2vec, GloVe or fastText `.vec` vectors, found a file that begins with "
        f"{_shown(first)}; give a word-vector file"
    )


def _header(fields: list[bytes], path: Path) -> tuple[int, int]:
    # At most 18 digits: a longer one is no count, and costs quadratic time to convert.
    if all(re.fullmatch(rb"[0-9]{1,18}", field) for field in fields):
        count, dimension = int(fields[0]), int(fields[1])
        if count and 1 <= dimension <= _MAX_DIMENSION:
            return count, dimension
    raise VectorsError(
        f"{path}, line 1: expected the header 'words dimension' with at least 1 word and 1 to "
        f"{_MAX_DIMENSION:,} dimensions, found {_shown(b' '.join(fields))}; give a word-vector file"
    )


def _is_binary(records: bytes, dimension: int, path: Path) -> bool:
    """Tell the two word2vec formats apart by the first record, the part of `records` that counts."""
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


def _read_binary(source: _Source, layout: _Layout, rows: _Rows) -> bytes:
    """Read the records, and return what no longer makes one."""
    size = 4 * layout.dimension
    count = layout.count or 0
    # A record's place follows from the length of every word before it, so the records of a block are
    # walked one by one; a regular expression does it a third faster than a loop. Its second branch takes
    # the rest in one step, so that a match never begins anywhere but where a record does.
    records = re.compile(rb"([^ ]{0,%d}) .{%d}|.+" % (_MAX_WORD - 1, size), re.DOTALL)
    tail = b""
    for block in source.blocks(layout.start):
        data = tail + block
        words = records.findall(data)
        end = _end_of(words, size)
        if end != len(data) or data[-size - 1] != ord(" "):
            words.pop()  # the rest, as an empty word
            end = _end_of(words, size)
        _put_records(words, data, layout.dimension, rows)
        tail = data[end:]
        if rows.total >= count:
            tail = tail.strip()  # nothing else may follow the last word
            if tail or rows.total > count:
                break
        elif len(tail) > _MAX_WORD and b" " not in tail[:_MAX_WORD]:
            raise VectorsError(
                f"{source.path}, word {rows.total + 1:,}: expected a word and a space (word2vec binary), found "
                f"{_MAX_WORD:,} bytes without one; the header does not fit the contents, or {_DAMAGED}"
            )
    return tail.strip()


def _end_of(words: list[bytes], size: int) -> int:
    """The bytes that the records of these words take: word, space, numbers."""
    return sum(map(len, words)) + len(words) * (1 + size)


def _put_records(words: list[bytes], data: bytes, dimension: int, rows: _Rows) -> None:
    """Keep the wanted ones of the records in `data`, which begins with the first of them."""
    names = [word.lstrip(b"\n") for word in words] if b"\n" in b"".join(words) else words
    end = done = 0
    for index in [index for index, name in enumerate(names) if name in rows.wanted]:
        end += _end_of(words[done : index + 1], 4 * dimension)
        done = index + 1
        values = np.frombuffer(data, "<f4", dimension, end - 4 * dimension)
        rows.put(names[index], values, f"word {rows.total + done:,}")
    rows.count(names)


def _read_text(source: _Source, layout: _Layout, rows: _Rows) -> bytes:
    """Read the lines; none is left over."""
    line = 0 if layout.count is None else 1  # lines read so far
    tail = last = b""
    last_line = 0
    firsts = rows.first_pieces()
    for block in chain(source.blocks(layout.start), [b"\n"]):  # the last line may lack its end
        data = tail + block
        find = data.find
        position = start = stop = 0
        words: list[bytes] = []
        while (end := find(b"\n", position)) >= 0:
            line += 1
            space = find(b" ", position, end)
            if space >= 0:
                word = data[position:space]
                if word in firsts:
                    rows.put_line(data[position:end], line)
                words.append(word)
                start, stop, last_line = position, end, line
            elif data[position:end].strip():
                raise _row_error(source.path, line, layout.dimension, "no number")
            position = end + 1
        rows.count(words)
        last = data[start:stop] if words else last
        tail = data[position:]
        if len(tail) > _MAX_LINE:
            raise _row_error(source.path, line + 1, layout.dimension, f"a line of more than {_MAX_LINE:,} bytes")
    try:
        _parse_row(last, layout.dimension)
    except _BadRowError as error:
        raise _row_error(source.path, last_line, layout.dimension, str(error)) from error
    return tail


class _Rows:
    """The matrix under way: which spelling of which word fills which row."""

    def __init__(self, path: Path, words: Sequence[str], dimension: int) -> None:
        self.path = path
        self.total = self.undecodable = self.duplicates = 0
        self.matrix = np.zeros((len(words), dimension), dtype=np.float32)
        self._rank = np.full(len(words), 3, dtype=np.int8)  # of the spelling found; 3 is none
        # Each spelling's rows and ranks, as 3 * row + rank; emptied when the spelling has been read.
        self.wanted: dict[bytes, list[int]] = {}
        for row, word in enumerate(words):
            for rank, spelling in enumerate((word, word.lower(), word.capitalize())):
                if rank == 0 or spelling != word:
                    # A lone surrogate has no UTF-8; its three bytes are no word of a file either.
                    key = spelling.encode("utf-8", "surrogatepass")
                    self.wanted.setdefault(key, []).append(3 * row + rank)

    def first_pieces(self) -> set[bytes]:
        """The wanted spellings up to their first space: what a line must begin with to be of interest."""
        return {key.split(b" ", 1)[0] if b" " in key else key for key in self.wanted}

    def put(self, word: bytes, values: np.ndarray, place: str) -> None:
        """Keep `values`, float32 (D,), for each row that `word` serves better than what it has."""
        targets = self.wanted[word]
        if not targets:
            self.duplicates += 1
            return
        if not np.isfinite(values).all():
            raise VectorsError(
                f"{self.path}, {place}: expected finite numbers, found NaN or infinity in the vector of "
                f"{_shown(word)}; repair the file or use another"
            )
        for target in targets:
            row, rank = divmod(target, 3)
            if rank < self._rank[row]:
                self.matrix[row] = values
                self._rank[row] = rank
        self.wanted[word] = []

    def put_line(self, line: bytes, number: int) -> None:
        """Keep a line of text, if its whole word is wanted."""
        try:
            word, numbers = _parse_row(line, self.matrix.shape[1])
        except _BadRowError as error:
            raise _row_error(self.path, number, self.matrix.shape[1], str(error)) from error
        if word in self.wanted:
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
                values = np.array(numbers).astype(np.float32)
            self.put(word, values, f"line {number:,}")

    def count(self, words: list[bytes]) -> None:
        """Count the words of a block, and those among them that are not UTF-8."""
        self.total += len(words)
        if not _is_utf8(b" ".join(words)):
            self.undecodable += sum(not _is_utf8(word) for word in words)

    def finish(self, layout: _Layout, rest: bytes) -> WordVectors:
        """Hold what was read, and the `rest` that was not, against the header; report what was found."""
        count = self.total if layout.count is None else layout.count
        if self.total != count or rest:
            expected = f"{_counted(count, 'word')} of {_counted(layout.dimension)} ({layout.format})"
            end = f"the end of the file in word {self.total + 1:,}" if self.total < count else "more than that"
            raise VectorsError(f"{self.path}: expected {expected}, found {end}; {_DAMAGED}")
        found = self._rank < 3
        if not found.any():
            raise VectorsError(
                f"none of the {len(found):,} words were found in {self.path} ({self.total:,} words, "
                f"{layout.dimension}-d); is it in another language or spelt in another way?"
            )
        if self.duplicates:
            logger.warning("%s: %d wanted words came again; the first is kept", self.path, self.duplicates)
        if self.undecodable:
            logger.warning("%s: %d words are not UTF-8 and were passed over", self.path, self.undecodable)
        return WordVectors(self.matrix, found, self.total, self.undecodable, self.duplicates, layout.format)


def _parse_row(line: bytes, dimension: int) -> tuple[bytes, list[float]]:
    """Split a line from the right into a word, which may contain spaces, and its D numbers."""
    fields = line.rstrip(b" \t\r").rsplit(b" ", dimension)
    if len(fields) != dimension + 1:
        raise _BadRowError(_counted(len(fields) - 1))
    numbers = _numbers(fields[1:])
    if numbers is None:
        bad = next(field for field in fields[1:] if _numbers([field]) is None)
        raise _BadRowError(f"{_shown(bad)} among them")
    surplus = fields[0].split(b" ")[1:]
    # No known word ends in a space and a number: that is a row with too many of them.
    if surplus and _numbers(surplus[-1:]) is not None:
        raise _BadRowError(_counted(dimension + sum(_numbers([field]) is not None for field in surplus)))
    return fields[0], numbers


def _numbers(fields: list[bytes]) -> list[float] | None:
    try:
        return list(map(float, fields))
    except ValueError:
        return None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(path: Path, error: Exception) -> VectorsError:
    return VectorsError(f"{path}: expected a readable word-vector file, found: {error}; check the file")


def _row_error(path: Path, line: int, dimension: int, found: str) -> VectorsError:
    expected = f"expected a word and {_counted(dimension)}"
    return VectorsError(f"{path}, line {line:,}: {expected}, found {found}; {_DAMAGED}")


def _counted(count: int, noun: str = "number") -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shown(data: bytes) -> str:
    """Bytes as they are shown in a message: on one line, and not too long."""
    text = repr(data[:40].decode("utf-8", "backslashreplace"))
    return text if len(data) <= 40 else f"{text}..."
