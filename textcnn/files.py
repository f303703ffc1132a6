"""Atomic writes, and checks of file paths before they are used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from textcnn.errors import TextCNNError, nearest_names


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` on success; an error or a crash leaves the old file.

    Args:
        path: The file to create or replace.

    Yields:
        The temporary file, open for writing.

    Raises:
        OSError: The file cannot be written.
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
    """Raise `error` if a file cannot be written to `path`, or if it exists and `overwrite` is false."""
    if path.exists() and not path.is_file():
        raise error(f"{path}: expected a file to write to, found a folder or a device; give a file name")
    if path.exists() and not overwrite:
        raise error(f"{path}: the file exists; choose another name or replace it (--overwrite)")
    if not path.absolute().parent.is_dir():
        raise error(f"{path}: expected the folder {path.absolute().parent} to exist; create it first")


def nearest_files(path: Path) -> str:
    """Return the files with names most similar to that of a missing one, as the middle or end of a message.

    Args:
        path: The missing file.

    Returns:
        As `nearest_names` returns them, or that its folder does not exist; empty if no name is similar.
    """
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return f", nor a folder {path.parent}"
    return nearest_names(path.name, names)
