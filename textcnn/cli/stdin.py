"""Texts from arguments or stdin, as columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import click

from textcnn.errors import DataError

if TYPE_CHECKING:
    import io

    import pyarrow as pa

_READ = 1 << 20  # bytes of stdin answered as one batch, at most


def _refuse_files(texts: Sequence[str], advice: str) -> None:
    """Raise DataError for a text that is the name of a file: one with a suffix, without blanks, that exists.

    Args:
        texts: from arguments.
        advice: how to read a file, with `{}` for its name.
    """
    for text in texts:
        # os.path, since pathlib raises for some names, such as overlong ones
        if os.path.splitext(text)[1] and not any(map(str.isspace, text)) and os.path.isfile(text):  # noqa: PTH113, PTH122
            raise DataError(
                f"expected a text, found the name of a file: {text}; {advice.format(text)}, or give the name as a text "
                "on stdin"
            )


def argument_texts(texts: tuple[str, ...], advice: str) -> pa.StringArray:
    """Return texts from arguments as a column.

    Args:
        texts: the arguments.
        advice: as for `_refuse_files`.

    Raises:
        DataError: an argument holds bytes that are not text, or is the name of a file.
    """
    from textcnn.text.columns import strings

    _refuse_files(texts, advice)

    try:
        return strings(texts)
    except UnicodeEncodeError:
        raise DataError("expected text as arguments, found bytes that are not valid in the locale's encoding") from None


def stdin_lines(encoding: str, *, origins: str = "texts as arguments or on stdin") -> Iterator[pa.StringArray]:
    """Yield what has arrived on stdin, as columns of whole lines.

    Args:
        encoding: of stdin.
        origins: where texts can come from, for the error.

    Raises:
        DataError: stdin is closed, or does not hold text in that encoding.
    """
    from textcnn.data.decoding import text_decoder
    from textcnn.data.lines import split_lines

    if sys.stdin is None:  # closed
        raise DataError(f"expected {origins}, found none")
    if sys.stdin.isatty():
        click.echo("type one text per line; Ctrl-D ends", err=True)
    stream = cast("io.BufferedReader", sys.stdin.buffer)
    decoder = text_decoder(encoding)
    rest: list[str] = []  # of a line that has not ended yet
    line = 1
    while True:
        arrived = stream.read1(_READ)
        try:
            text = decoder.decode(arrived, final=not arrived)
        except UnicodeDecodeError as error:
            line += (error.object[: error.start].decode(encoding, "ignore")).count("\n")
            raise DataError(
                f"expected {encoding.upper()} text, but stdin has the byte 0x{error.object[error.start]:02x} "
                f"in line {line}; name its encoding with --encoding"
            ) from None
        end = text.rfind("\n") + 1 if arrived else len(text)
        if not end and arrived:
            rest.append(text)
            continue
        whole, rest = "".join([*rest, text[:end]]), [text[end:]]
        if whole:
            yield split_lines(whole.removeprefix("\ufeff").encode() if line == 1 else whole.encode())
            line += whole.count("\n")
        if not arrived:
            return
