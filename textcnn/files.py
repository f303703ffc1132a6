"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from textcnn.errors import TextCNNError


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to fill that takes the place of `path` at the end; an error or a crash leaves the old one.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_output(path: Path, *, overwrite: bool, error: type[TextCNNError]) -> None:
    """Raise `error` if a file cannot be written to `path`, or one is there and is not to be replaced."""
    if path.exists() and not path.is_file():
        raise error(f"{path}: expected a file to write to, found a folder or a device; give a file name")
    if path.exists() and not overwrite:
        raise error(f"{path}: the file exists; choose another name or replace it (--overwrite)")
    if not path.absolute().parent.is_dir():
        raise error(f"{path}: expected the folder {path.absolute().parent} to exist; create it first")
