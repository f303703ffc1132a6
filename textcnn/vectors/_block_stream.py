"""A word-vector file as a stream of blocks, and the wording of its errors."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from textcnn.errors import VectorsError
from textcnn.files import nearest_files

if TYPE_CHECKING:
    from io import FileIO

# Small enough to stay in the processor's cache, where prepending the rest of the previous block costs little.
_BLOCK = 1 << 18

DAMAGED = "the file is damaged or incomplete: download or copy it again"


class BlockStream:
    """A file, gunzipped if need be, as a first block (`head`) and a stream of blocks."""

    def __init__(self, path: Path, progress: Callable[[float], None] | None) -> None:
        self.path = path
        self._progress = progress
        self._reported = 0.0
        self._raw, size = _open_file(path)
        self._size = max(size, 1)
        self._stream: FileIO | gzip.GzipFile = self._raw

    def __enter__(self) -> BlockStream:
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
            raise VectorsError(f"{self.path}: expected a whole gzip file, found: {error}; {DAMAGED}") from error
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def blocks(self, start: int) -> Iterator[bytes]:
        """Yield the file from byte `start` of the head, and report progress."""
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


def _open_file(path: Path) -> tuple[FileIO, int]:
    """Open a regular file: reading a pipe or a device might never end."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            return path.open("rb", buffering=0), status.st_size
    except FileNotFoundError as error:
        raise VectorsError(
            f"{path}: expected a word-vector file, found nothing there{nearest_files(path)}; check the path"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, error) from error
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
    raise VectorsError(f"{path}: expected a word-vector file, found {kind}; give the file itself")


def _unreadable(path: Path, error: Exception) -> VectorsError:
    """Return the error for a file that the system refuses to read."""
    return VectorsError(f"{path}: expected a readable word-vector file, found: {error}; check the file")


def counted(count: int, noun: str = "number") -> str:
    """Return a count with its noun, such as `1 word` or `2 words`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shown(data: bytes) -> str:
    """Return bytes as a message shows them: on one line, and shortened."""
    text = repr(data[:40].decode("utf-8", "backslashreplace"))
    return text if len(data) <= 40 else f"{text}..."
