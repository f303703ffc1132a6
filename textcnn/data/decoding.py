"""The bytes of a text file as blocks of checked UTF-8, from any encoding and from gzip.

Memory holds a few blocks, however long the file.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from textcnn.data._guessed_encoding import guessed_encoding
from textcnn.errors import DataError, quoted

BLOCK = 1 << 20
_SAMPLE = 1 << 15  # bytes before and after a wrong byte, to guess the encoding from
_SHOWN = 60  # characters of a line in a message

_BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def utf8_blocks(path: Path, encoding: str = "utf-8") -> Iterator[bytes]:
    """Read a text file as blocks of UTF-8 without a byte-order mark.

    A file whose name ends in `.gz` is decompressed. Blocks never split a character.

    Args:
        path: The file.
        encoding: The file's encoding: any text encoding that Python knows.

    Yields:
        UTF-8 of up to about `BLOCK` characters; nothing for an empty file.

    Raises:
        DataError: The encoding is unknown, the file cannot be read, is not in this encoding, or contains NUL.
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
                f"expected text, but {path} has a NUL byte in line {line}; check that it is an intact text file, "
                "or name its encoding with --encoding"
            )
        lines += text.count("\n")
        if text:
            yield _encode(text, path=path, encoding=encoding)


def text_decoder(encoding: str) -> codecs.IncrementalDecoder:
    """Return a strict incremental decoder.

    Args:
        encoding: The encoding's name.

    Raises:
        DataError: Python knows no such text encoding.
    """
    try:
        b"a".decode(encoding, "ignore")  # refuses codecs that are not of text, such as zlib
        return codecs.getincrementaldecoder(encoding)("strict")
    except (LookupError, ValueError) as error:
        raise DataError(
            f"expected the name of a text encoding, such as utf-8, utf-16, latin-1 or cp1252, found {quoted(encoding)}"
        ) from error


def raw_blocks(path: Path) -> Iterator[bytes]:
    """Read a file as blocks of bytes, decompressed if its name ends in `.gz`.

    Args:
        path: The file.

    Yields:
        Blocks of bytes, followed by an empty one if there were any.

    Raises:
        DataError: The file cannot be read.
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
        raise DataError(
            f"expected a gzip file, but {path} is damaged or not one; download or compress it again"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _decode(
    decoder: codecs.IncrementalDecoder, block: bytes, *, path: Path, encoding: str, taken: int, lines: int
) -> str:
    """Decode a block, or finish if it is empty; `taken` counts all bytes so far, `lines` the newlines before it."""
    try:
        return decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        # error.object begins with what the decoder held back from earlier blocks
        offset = taken - len(error.object) + error.start
        line = lines + error.object[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise DataError(
            f"expected {encoding.upper()} text, but {path} has the byte 0x{error.object[error.start]:02x} at offset "
            f"{offset} (line {line}); {_advice(path, offset)}"
        ) from error
    except UnicodeError as error:
        raise _not_in_encoding(path, encoding) from error


def _advice(path: Path, offset: int) -> str:
    """Return advice on the encoding of a file, by the lines around an offset."""
    begin, end = max(offset - _SAMPLE, 0), offset + _SAMPLE
    sample, taken = b"", 0
    for block in raw_blocks(path):
        sample += block[max(begin - taken, 0) : max(end - taken, 0)]
        taken += len(block)
        if taken >= end:
            break
    at = offset - begin
    last = sample.rfind(b"\n", at) + 1 if taken >= end else len(sample)
    first = sample.find(b"\n", 0, at) + 1 if begin else 0
    guess = guessed_encoding(sample[first : last or len(sample)])
    if guess is None:
        return "name its encoding with --encoding"
    row = sample.rfind(b"\n", 0, at) + 1
    shown = sample[row:].split(b"\n", 1)[0].decode(guess, "ignore").strip()
    # From shortly before the character on
    before = len(sample[row:at].decode(guess, "ignore"))
    shown = "".join(char if char.isprintable() else " " for char in shown[max(before - _SHOWN // 2, 0) :][:_SHOWN])
    return f'with --encoding {guess} the line reads "{shown}": give it if that is right, or another'


def _encode(text: str, *, path: Path, encoding: str) -> bytes:
    try:
        return text.encode()
    except UnicodeError as error:  # half of a surrogate pair
        raise _not_in_encoding(path, encoding) from error


def _not_in_encoding(path: Path, encoding: str) -> DataError:
    return DataError(f"expected {encoding.upper()} text, but {path} is not; name its encoding with --encoding")


def _refuse_wide(block: bytes, path: Path) -> None:
    """Raise DataError if text that should be UTF-8 looks like UTF-16 or UTF-32, by its mark or its many NUL bytes."""
    found = next((name for mark, name in _BYTE_ORDER_MARKS if block.startswith(mark)), None)
    if found is None:
        head = block[: 1024 if len(block) >= 1024 else len(block) // 2 * 2]
        even, odd = head[::2].count(0), head[1::2].count(0)
        # Western text in UTF-16 has NUL as every second byte.
        if 2 * max(even, odd) > len(head[::2]) and not min(even, odd):
            found = "utf-16-be" if even else "utf-16-le"
    if found:
        raise DataError(
            f"expected UTF-8 text, but {path} looks like {found.upper()}; name its encoding: --encoding {found}"
        )
