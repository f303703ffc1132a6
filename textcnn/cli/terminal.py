"""Output for people: text made safe for a terminal, and lines fitted to its width. Widths and colours are rich's.

rich is imported by `TextLayout` alone: `textcnn predict` needs it for nothing. Where it is not installed, lines have no
colours, and every character counts as one column.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from textcnn.cli.plain_text import PlainText

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH = 80  # columns of what is no terminal
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CONTROLS = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"]
_BIDIRECTIONAL = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]  # embeddings, overrides and isolates
_UNSAFE = dict.fromkeys((*_CONTROLS, *_BIDIRECTIONAL), _REPLACEMENT)
_DROPPED = dict.fromkeys((0x07, 0x08), _REPLACEMENT)  # which rich drops without a trace


def neutralize(text: str, stream: IO[Any] | None = None) -> str:
    """Return the text with U+FFFD for what could steer a terminal: control characters and bidirectional overrides.

    Tabs and line breaks stay. Text for a file or a pipe is returned as it is.

    Args:
        text: any text, such as a label or a message.
        stream: where it goes [stdout].
    """
    stream = sys.stdout if stream is None else stream
    return text.translate(_UNSAFE) if stream is not None and stream.isatty() else text


def safe_stream(stream: IO[bytes]) -> IO[bytes]:
    """Return a stream of UTF-8 that is neutralized on its way to a terminal; any other stream as it is."""
    return _Neutralized(stream) if stream.isatty() else stream  # type: ignore[return-value]


class _Neutralized(io.RawIOBase):
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> int:
        self._stream.write(self._decoder.decode(bytes(data)).translate(_UNSAFE).encode())
        return len(data)

    def flush(self) -> None:
        self._stream.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True


class TextLayout:
    """Fits lines to where they go: the width of the terminal, or `WIDTH` columns of a pipe or a file.

    Colours are those of the terminal; NO_COLOR, FORCE_COLOR and COLUMNS are respected.

    Args:
        output: the file that the lines are written to; None for stdout.

    Attributes:
        width: columns of a line at most.
    """

    def __init__(self, output: Path | None = None) -> None:
        self._terminal = output is None and sys.stdout.isatty()
        own = self._terminal or (output is None and os.environ.get("COLUMNS", "").isdigit())
        self._console: Console | None = None
        try:
            from rich.console import Console
            from rich.text import Text
        except ModuleNotFoundError:
            self._text: type[Text] = PlainText  # type: ignore[assignment]
            self.width = shutil.get_terminal_size((WIDTH, 0)).columns if own else WIDTH
        else:
            self._text, self._console = Text, Console(width=None if own else WIDTH, soft_wrap=True)
            self.width = self._console.width

    def text(self, text: object, style: str = "") -> Text:
        """Return a piece of a line: its white space as single spaces, neutralized for a terminal."""
        plain = str(text)
        head, tail = " " * plain[:1].isspace(), " " * plain[-1:].isspace()
        words = plain.split()
        plain = (head + " ".join(words) + tail if words else head).translate(_DROPPED)
        return self._text(plain.translate(_UNSAFE) if self._terminal else plain, style)

    def wrapped(self, text: Text, indent: int = 0) -> list[Text]:
        """Break a text at its spaces, and within a word only where that fills a line by itself."""
        return [self._text(" " * indent).append_text(line) for line in self._broken(text, self.width - indent) if line]

    def _broken(self, text: Text, width: int) -> list[Text]:
        lines = text.wrap(self._console, max(width, 1), overflow="fold")  # type: ignore[arg-type]
        for line in lines:
            line.rstrip()
        return list(lines)

    def row(self, title: str, items: Sequence[str | Text], margin: int, between: str = "   ") -> list[Text]:
        """Return lines of a title and items, broken between items where they can be; none without items."""
        lines, joint = [self._text(f"{title:<{margin}}")], ""
        for item in items:
            piece = self.text(item) if isinstance(item, str) else item
            if lines[-1].cell_len + len(joint) + piece.cell_len <= self.width:
                lines[-1].append(joint).append_text(piece)
            else:
                broken = self.wrapped(piece, margin)
                if not joint and lines[0].cell_len == margin:
                    lines[0].append_text(broken.pop(0)[margin:])
                lines += broken
            joint = between
        return lines if items else []

    def paragraph(self, title: str, text: str, margin: int) -> list[Text]:
        """Return lines of a title and a running text."""
        return self.row(title, [self.text(text)], margin)

    def shortened(self, text: str, indent: int = 0) -> Text:
        """Return one line: a text that is too long ends in ` ...`, after a whole word where it can."""
        room = self.width - indent
        line = self.text(text)
        if line.cell_len > room:
            cut = self._broken(line, room - 4)[0]
            if cut.cell_len < room // 2:  # before a word that is longer than the line
                cut = line
                cut.truncate(room - 4, overflow="crop")
            line = cut.append(" ...")
        return self._text(" " * indent).append_text(line)

    def cell(self, text: object, width: int, *, right: bool = False) -> str:
        """Return a text cut or filled to `width` columns, for a table."""
        cell = self.text(text)
        cell.align("right" if right else "left", width)
        return cell.plain

    def show(self, lines: Iterable[str | Text]) -> None:
        """Print lines, which fit, to stdout."""
        for line in lines:
            if self._console is None:
                click.echo(line)
            else:
                self._console.print(line, markup=False, highlight=False, emoji=False)
