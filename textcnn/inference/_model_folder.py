"""The folder of a saved model: its files are replaced as one, and everything else in it is left alone.

`config.json` has the SHA-256 of each other file. New files are first all written beside the old ones, `config.json`
last, under names that begin with `.new-`, then renamed in the same order. So a whole model can be found at any moment,
also after a crash: the old one until the first rename; from then on the new one, each of its files under one of its two
names. A reader takes the files that have the hashes of a config, and reads again if any of them changed meanwhile. A
writer holds a lock.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from textcnn.errors import ModelError
from textcnn.files import locked, read_plain

CONFIG = "config.json"
_STAGED = ".new-"
_LOCK = ".lock"
_WAIT = 60.0  # seconds: others take a part of one each, and a trained model is worth the waiting
_ATTEMPTS = 1000
_PAUSE = 0.005  # seconds between two of them

Parse = Callable[[bytes], dict[str, Any]]


def is_unused(path: Path) -> bool:
    """Return whether a folder has nothing but what an interrupted first save left."""
    return all(entry.name == _LOCK or entry.name.startswith(_STAGED) for entry in path.iterdir())


def has_model(path: Path) -> bool:
    """Return whether a folder has a model, the new one of an interrupted save included."""
    return any((path / name).is_file() for name in (CONFIG, _STAGED + CONFIG))


def write_files(path: Path, contents: Mapping[str, bytes], parse: Parse, *, overwrite: bool) -> None:
    """Create or replace a model's files in a folder, which is created if it does not exist.

    Args:
        path: the folder.
        contents: of each file, by name; `config.json` has the hashes of the others.
        parse: config.json's content to the object that it holds; ModelError if it is none.
        overwrite: whether a model that is there may be replaced.

    Raises:
        ModelError: a model is there.
        OSError: a file cannot be written, or another process keeps writing; the old model is still there.
    """
    created = not path.exists()
    try:
        path.mkdir(exist_ok=True)
        with locked(path / _LOCK, wait=_WAIT):
            _refuse(path, overwrite=overwrite)
            _settle(path, contents, parse)
            try:
                for name in sorted(contents, key=lambda name: name == CONFIG):
                    _stage(path, name, contents[name])
            except BaseException:  # Ctrl-C too
                _unstage(path)
                raise
            _commit(path, contents)
    except BaseException:
        if created:
            with suppress(OSError):
                path.rmdir()
        raise


def _refuse(path: Path, *, overwrite: bool) -> None:
    if has_model(path) and not overwrite:
        raise ModelError(f"{path}: a model is there already; choose another name or replace it (--overwrite)")


def _stage(path: Path, name: str, content: bytes) -> None:
    """Write a new file beside the old one, with its permissions."""
    part = path / f"{_STAGED}part"
    part.unlink(missing_ok=True)
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with suppress(OSError):
        part.chmod(stat.S_IMODE((path / name).stat().st_mode))
    part.replace(path / f"{_STAGED}{name}")


def _unstage(path: Path) -> None:
    for entry in path.glob(f"{_STAGED}*"):
        entry.unlink(missing_ok=True)


def _commit(path: Path, names: Iterable[str]) -> None:
    """Rename the new files, config.json last; those that an interrupted save has renamed already are left out."""
    _sync(path)
    for name in sorted(names, key=lambda name: name == CONFIG):
        staged = path / f"{_STAGED}{name}"
        if staged.exists():
            staged.replace(path / name)
    _sync(path)


def _settle(path: Path, names: Iterable[str], parse: Parse) -> None:
    """Finish or undo what an interrupted save left, so that there is a whole model under the files' own names."""
    if not any(path.glob(f"{_STAGED}*")):
        return
    others = [name for name in names if name != CONFIG]
    try:
        _read_as(path, CONFIG, others, parse)
    except ModelError:
        with suppress(ModelError):
            _read_as(path, _STAGED + CONFIG, others, parse)
            _commit(path, names)
    _unstage(path)


def _sync(path: Path) -> None:
    """Let the folder's entries reach the disk."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def read_files(path: Path, names: Sequence[str], parse: Parse) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a model's files as one.

    Args:
        path: the folder.
        names: the files beside config.json.
        parse: config.json's content to the object that it holds; ModelError if it is none.

    Returns:
        The config, and the content of each file.

    Raises:
        ModelError: a file is missing, cannot be read, or is not the one that the config names.
    """
    for _ in range(_ATTEMPTS):
        before = _stamp(path, names)
        try:
            return _read_as(path, CONFIG, names, parse)
        except ModelError as error:
            with suppress(ModelError):
                return _read_as(path, _STAGED + CONFIG, names, parse)
            if _stamp(path, names) == before:
                raise
            last = error
        time.sleep(_PAUSE)
    raise last


def _stamp(path: Path, names: Sequence[str]) -> list[tuple[int, ...] | None]:
    """Return what changes when a file of the model is replaced."""
    stamps: list[tuple[int, ...] | None] = []
    for name in (CONFIG, *names):
        for candidate in (path / name, path / f"{_STAGED}{name}"):
            try:
                status = candidate.stat()
                stamps.append((status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
            except OSError:
                stamps.append(None)
    return stamps


def _read_as(
    path: Path, config_name: str, names: Sequence[str], parse: Parse
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the model that one config describes."""
    config = parse(_read(path / config_name))
    return config, {name: _read_matching(path, name, config["files"].get(name)) for name in names}


def _read_matching(path: Path, name: str, sha256: Any) -> bytes:
    """Read the file that has this hash, under its own name or as an interrupted save left it."""
    first = None
    for candidate in (path / name, path / f"{_STAGED}{name}"):
        try:
            content = _read(candidate)
        except ModelError as error:
            first = first or error
            continue
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
        first = first or ModelError(
            f"{candidate}: expected the SHA-256 that {CONFIG} names, found another: the file is damaged or was edited; "
            "copy the model again or train it again"
        )
    assert first is not None  # noqa: S101 (two candidates)
    raise first


def _read(path: Path) -> bytes:
    try:
        return read_plain(path)
    except OSError as error:
        raise ModelError(f"{path}: could not read it: {error.strerror or error}") from None
