"""A line without styles, for `TextLayout` where rich is not installed."""

from __future__ import annotations

import re


class PlainText:
    """What `TextLayout` uses of rich's `Text`: nothing is coloured, and every character takes one column.

    Args:
        plain: the text.
        style: ignored.
    """

    def __init__(self, plain: str = "", style: str = "") -> None:
        self.plain = plain

    def __str__(self) -> str:
        return self.plain

    def __bool__(self) -> bool:
        return bool(self.plain)

    def __getitem__(self, part: slice) -> PlainText:
        return PlainText(self.plain[part])

    @property
    def cell_len(self) -> int:
        """The columns that it takes."""
        return len(self.plain)

    def append(self, text: str) -> PlainText:
        """Add to its end."""
        self.plain += text
        return self

    def append_text(self, text: PlainText) -> PlainText:
        """Add to its end."""
        return self.append(text.plain)

    def rstrip(self) -> None:
        """Remove white space at its end."""
        self.plain = self.plain.rstrip()

    def truncate(self, width: int, *, overflow: str) -> None:
        """Cut it to a width."""
        self.plain = self.plain[:width]

    def align(self, side: str, width: int) -> None:
        """Cut or fill it to a width."""
        self.plain = (self.plain.rjust(width) if side == "right" else self.plain.ljust(width))[:width]

    def wrap(self, console: object, width: int, *, overflow: str) -> list[PlainText]:
        """Break it at its spaces, and a word that is longer than a line where the line is full."""
        lines = [""]
        for word in re.findall(r"\s*\S+\s*", self.plain):
            if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
                lines.append("")
            while len(word.rstrip()) > width:
                lines[-1], word = word[:width], word[width:]
                lines.append("")
            lines[-1] += word
        return [PlainText(line) for line in lines]
