"""A text file's bytes as blocks of checked UTF-8, and those cut into runs of whole rows.

Everything here streams: memory holds a few blocks, however long the file, and no more than
``LONGEST_ROW`` of a row that does not end.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from textcnn.errors import DataError

BLOCK = 1 << 20
LONGEST_ROW = 64 << 20
DELIMITERS = {",": "a comma", "\t": "a tab"}

_BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def utf8_blocks(path: Path, encoding: str = "utf-8") -> Iterator[bytes]:
    """Read a file, unzipped where its name ends in ``.gz``, as blocks of UTF-8 without byte-order mark.

    A character is never cut by a block's end.

    Args:
        path: the file.
        encoding: how the file is written; any text encoding that Python knows.

    Yields:
        UTF-8 of up to about ``BLOCK`` characters; nothing for an empty file.

    Raises:
        DataError: the encoding is unknown, the file cannot be read, is not in this encoding, or holds NUL.
    """
    decoder = text_decoder(encoding)
    lines, taken, begun = 0, 0, False
    for block in raw_blocks(path):
        if not taken and codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
            _refuse_wide(block, path)
        taken += len(block)
        text = _decode(decoder, block, path=path, encoding=encoding, taken=taken, lines=lines)
        if not begun and text:
            begun, text = True, text.removeprefix("\ufeff")
        if "\0" in text:
            line = lines + text.count("\n", 0, text.index("\0")) + 1
            raise DataError(
                f"expected text, but {path} has a NUL byte in line {line}; "
                "is it a text file, and is it whole? Otherwise name its encoding with --encoding"
            )
        lines += text.count("\n")
        if text:
            yield _encode(text, path=path, encoding=encoding)


def whole_rows(blocks: Iterable[bytes], *, path: Path, quotes: Quotes | None = None) -> Iterator[tuple[int, bytes]]:
    r"""Join and cut blocks so that each run ends where a row ends.

    Args:
        blocks: UTF-8.
        path: the file, for the errors.
        quotes: follows the quotes of a CSV, whose rows may hold newlines; without it a row is a line.

    Yields:
        The number of a run's first line, from 1, and the run's bytes.

    Raises:
        DataError: a row is longer than ``LONGEST_ROW``, or a quote is wrong.
    """
    pending: list[bytes] = []
    line, size = 1, 0
    for block in blocks:
        end = quotes.feed(block) if quotes else block.rfind(b"\n") + 1
        if end:
            run = b"".join([*pending, block[:end]])
            yield line, run
            line += run.count(b"\n")
            pending, size = [], 0
        pending.append(block[end:])
        size += len(block) - end
        if size > LONGEST_ROW:
            why = "is its quote never closed?" if quotes and quotes.inside else "is it a text file?"
            raise DataError(
                f"expected rows of at most {LONGEST_ROW >> 20} MiB, but that from line {line} of {path} is longer; "
                f"{why}"
            )
    if quotes:
        quotes.finish()
    if size:
        yield line, b"".join(pending)


class Quotes:
    """Follows the quotes of a CSV through its blocks: where rows end, and what is badly quoted.

    A quote opens a field only at the field's start (elsewhere it is a letter like any other, as in ``5" disk``),
    is doubled within, and closes the field only before a delimiter or the row's end. Readers that are laxer than
    this join fields, or whole rows, without a word.
    """

    def __init__(self, delimiter: str, *, path: Path) -> None:
        self.inside = False
        self._path = path
        self._delimiter = delimiter
        self._borders = delimiter.encode() + b"\r\n"
        self._lines = 0
        self._opened = 0
        # the last byte that is no quote, and the quotes after it: whether they pair is known with the next byte
        self._seen = b"\n"

    def feed(self, block: bytes) -> int:
        """Take the next block.

        Returns:
            The position after the last row that ends in this block; 0 where none does.

        Raises:
            DataError: a closing quote is followed by something else than a delimiter or the row's end.
        """
        data = self._seen + block
        stop = len(data.rstrip(b'"'))
        at, opened, row_end = 1, -1, 0
        while (quote := data.find(b'"', at, stop)) >= 0:
            if self.inside:
                after = data[quote + 1 : quote + 2]
                if after == b'"':
                    at = quote + 2
                    continue
                if after not in self._borders:
                    self._refuse(data, quote)
                self.inside = False
            elif data[quote - 1] in self._borders:
                row_end = max(row_end, data.rfind(b"\n", at, quote) + 1)
                self.inside, opened = True, quote
            at = quote + 1
        if not self.inside:
            row_end = max(row_end, data.rfind(b"\n", at, stop) + 1)
        elif opened >= 0:
            self._opened = self._lines + data.count(b"\n", 1, opened) + 1
        self._lines += data.count(b"\n", 1)
        shift, self._seen = len(self._seen), data[stop - 1 :]
        return max(row_end - shift, 0)

    def finish(self) -> None:
        """Say that the file ends here.

        Raises:
            DataError: a quote is still open.
        """
        self.feed(b"\n")
        if self.inside:
            raise DataError(
                f"expected each quoted field to be closed, but the quote opened in line {self._opened} of {self._path} "
                "never is; close it, or double the quotes that belong to the text"
            )

    def _refuse(self, data: bytes, quote: int) -> None:
        line = self._lines + data.count(b"\n", 1, quote) + 1
        found = data[quote + 1 : quote + 5].decode("utf-8", "ignore")[:1]
        border = DELIMITERS[self._delimiter]
        raise DataError(
            f"expected {border} or the row's end after a closing quote, "
            f"found {found!r} in line {line} of {self._path}; put the whole field in quotes and double those within"
        )


def text_decoder(encoding: str) -> codecs.IncrementalDecoder:
    """Give a strict decoder.

    Raises:
        DataError: Python knows no such text encoding.
    """
    try:
        b"a".decode(encoding, "ignore")  # refuses codecs that are not of text, such as zlib
        return codecs.getincrementaldecoder(encoding)("strict")
    except (LookupError, ValueError) as error:
        raise DataError(
            f"expected the name of a text encoding, such as utf-8, utf-16, latin-1 or cp1252, found {encoding!r}"
        ) from error


def raw_blocks(path: Path) -> Iterator[bytes]:
    """Read a file as it is, unzipped where its name ends in ``.gz``.

    Yields:
        Blocks of bytes, and at last an empty one if there was any.

    Raises:
        DataError: the file cannot be read.
    """
    zipped = path.name.lower().endswith(".gz")
    begun = False
    try:
        with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
            while block := stream.read(BLOCK):
                yield block
                begun = True
            if begun:
                yield b""
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"expected a whole gzip file, but {path} is broken or not one; fetch or zip it anew") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _decode(
    decoder: codecs.IncrementalDecoder, block: bytes, *, path: Path, encoding: str, taken: int, lines: int
) -> str:
    """Decode a block, or finish where it is empty; ``taken`` bytes have come with it, ``lines`` newlines before it."""
    try:
        return decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        # the decoder's object begins with what it held back from earlier blocks
        offset = taken - len(error.object) + error.start
        line = lines + error.object[: error.start].decode(encoding, "ignore").count("\n") + 1
        other = "latin-1" if encoding != "latin-1" else "utf-8"
        raise DataError(
            f"expected {encoding.upper()} text, but {path} has the byte 0x{error.object[error.start]:02x} at offset "
            f"{offset} (line {line}); name its encoding, such as --encoding {other}"
        ) from error
    except UnicodeError as error:
        raise _unlike(path, encoding) from error


def _encode(text: str, *, path: Path, encoding: str) -> bytes:
    try:
        return text.encode()
    except UnicodeError as error:  # half of a surrogate pair
        raise _unlike(path, encoding) from error


def _unlike(path: Path, encoding: str) -> DataError:
    return DataError(f"expected {encoding.upper()} text, but {path} is not; name its encoding with --encoding")


def _refuse_wide(block: bytes, path: Path) -> None:
    """Raise where text that should be UTF-8 is UTF-16 or UTF-32, by its mark or by its many NUL bytes."""
    found = next((name for mark, name in _BYTE_ORDER_MARKS if block.startswith(mark)), None)
    if found is None:
        head = block[: 1024 if len(block) >= 1024 else len(block) // 2 * 2]
        even, odd = head[::2].count(0), head[1::2].count(0)
        # western text in UTF-16 has NUL as every second byte
        if 2 * max(even, odd) > len(head[::2]) and not min(even, odd):
            found = "utf-16-be" if even else "utf-16-le"
    if found:
        raise DataError(
            f"expected UTF-8 text, but {path} looks like {found.upper()}; name its encoding: --encoding {found}"
        )
