"""Blocks of UTF-8 cut where rows end: at newlines, or where the quotes of a CSV allow it.

Memory holds a few blocks, however long the file, and at most `LONGEST_ROW` bytes of a row that does not end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from textcnn.data._dialect import named
from textcnn.errors import DataError

LONGEST_ROW = 64 << 20


def whole_rows(
    blocks: Iterable[bytes], *, path: Path, quotes: Quotes | None = None, first_line: int = 1
) -> Iterator[tuple[int, bytes]]:
    r"""Join and cut blocks so that each run ends where a row ends.

    Args:
        blocks: UTF-8.
        path: The file, for the errors.
        quotes: Follows the quotes of a CSV, whose rows may contain newlines; if None, a row is a line.
        first_line: The number of the first line.

    Yields:
        The number of the run's first line, and the run's bytes.

    Raises:
        DataError: A row is longer than `LONGEST_ROW`, or a quote is misplaced.
    """
    pending: list[bytes] = []
    line, size = first_line, 0
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
            why = "is its quote never closed (--quoting none)?" if quotes and quotes.inside else "is it a text file?"
            raise DataError(
                f"expected rows of at most {LONGEST_ROW >> 20} MiB, but the row from line {line} of {path} is longer; "
                f"{why}"
            )
    if quotes:
        quotes.finish()
    if size:
        yield line, b"".join(pending)


class Quotes:
    """Follows the quotes of a CSV from block to block to find where rows end and which quotes are misplaced.

    A quote opens a field only at the start of the field (elsewhere it is an ordinary character, as in `5" disk`), is
    doubled inside the field, and closes it only before a delimiter or the end of the row. Readers that accept more
    than this silently join fields or whole rows.
    """

    def __init__(self, delimiter: str, *, path: Path, first_line: int = 1) -> None:
        self.inside = False
        self._path = path
        self._delimiter = delimiter
        self._borders = delimiter.encode() + b"\r\n"
        self._lines = first_line - 1
        self._opened = 0
        # The last byte that is no quote, and the quotes after it: only the next byte shows whether they pair.
        self._seen = b"\n"

    def feed(self, block: bytes) -> int:
        """Read the next block.

        Args:
            block: UTF-8.

        Returns:
            The offset after the last row that ends in this block; 0 if none does.

        Raises:
            DataError: A closing quote is not followed by a delimiter or the end of the row.
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
        """Check the quotes at the end of the file.

        Raises:
            DataError: A quote is still open.
        """
        self.feed(b"\n")
        if self.inside:
            raise DataError(
                f"expected every quoted field to be closed, but the quote opened in line {self._opened} of "
                f"{self._path} never is; close it, double the quotes that belong to the text, or read "
                "quotes as text (--quoting none)"
            )

    def _refuse(self, data: bytes, quote: int) -> None:
        line = self._lines + data.count(b"\n", 1, quote) + 1
        found = data[quote + 1 : quote + 5].decode("utf-8", "ignore")[:1]
        border = named(self._delimiter)
        raise DataError(
            f"expected {border} or the end of the row after a closing quote, "
            f"found {found!r} in line {line} of {self._path}; quote the whole field and double the quotes inside it, "
            "or read quotes as text (--quoting none)"
        )
