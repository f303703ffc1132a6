"""Files that appear whole or not at all, locks between processes, and checks of paths before they are used."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import random
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from textcnn.errors import TextCNNError, nearest_names

_RENAME_REFUSED = (errno.EBUSY, errno.EXDEV)  # a file that is a mount point, as containers have them
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)  # of the file system
_PART = ".textcnn-"  # of temporary files
_BLOCK = 1 << 20
_STALE = 60  # seconds


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` on success; an error or a crash leaves the old file.

    A link is followed, and the file's permissions are kept. Of several writers the last to finish wins. A file that
    cannot be renamed over (a mount point) is filled in place once all is written. What a killed writer left is removed
    by the next.

    Args:
        path: The file to create or replace.

    Yields:
        The temporary file, open for writing; it is beside `path` and has a name of its own.

    Raises:
        OSError: The file cannot be written; the error names `path`.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f"{_own(target)}-{secrets.token_hex(8)}.part")
    with _naming(path):
        _sweep(target)
        file = _create(part, _mode_of(target))
    try:
        with file:
            yield file
            with _naming(path):
                file.flush()
                os.fsync(file.fileno())
                if os.name != "nt":
                    _move(part, target)  # while it is locked
        if os.name == "nt":
            with _naming(path):
                _move(part, target)
    finally:
        part.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove what killed writers of a file left, then the file if it is there.

    Raises:
        OSError: The file cannot be removed.
    """
    _sweep(path)
    path.unlink(missing_ok=True)


def _own(target: Path) -> str:
    """Return how the names of a file's temporary files begin."""
    return f"{_PART}{hashlib.sha256(target.name.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def is_part(path: Path) -> bool:
    """Return whether a path is that of a temporary file of `written_whole`."""
    return path.match(f"{_PART}*.part")


def _sweep(target: Path) -> None:
    """Remove temporary files whose writers have died: those whose locks nobody holds."""
    if os.name == "nt":
        return
    for part in target.parent.glob(f"{_own(target)}-*.part"):
        with suppress(OSError):
            descriptor = os.open(part, os.O_RDONLY)
            try:
                status = os.fstat(descriptor)
                # A new file is empty until it is locked.
                locked_once = status.st_size > 0 or time.time() - status.st_mtime > _STALE
                if locked_once and _lock(descriptor) and _is_at(descriptor, part):
                    part.unlink()
            finally:
                os.close(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an OSError name the file that was asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _create(path: Path, mode: int | None) -> IO[bytes]:
    """Create a file that did not exist, with these permissions, by default those of a new file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with suppress(OSError):  # without locks its file is never swept
        _lock(descriptor)
    if mode is not None:
        with suppress(OSError):  # a file system without permissions
            path.chmod(mode)
    return os.fdopen(descriptor, "wb")


def _mode_of(path: Path) -> int | None:
    """Return the permissions of a file; None if it does not exist."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _move(part: Path, target: Path) -> None:
    try:
        part.replace(target)
    except OSError as error:
        if error.errno not in _RENAME_REFUSED:
            raise
        with part.open("rb") as source, target.open("wb") as out:
            while block := source.read(_BLOCK):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())


def read_plain(path: Path) -> bytes:
    """Read a file that must be a plain one, or a link to one.

    Raises:
        OSError: It cannot be read, or is a folder, pipe, device or socket, which might never end.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "expected a plain file, found a pipe, a device or a socket", str(path))
        return file.read()


@contextmanager
def locked(path: Path, *, wait: float = 10.0) -> Iterator[None]:
    """Hold a lock file, so that only one process works on what it stands for; it is removed afterwards.

    The lock ends with the process that holds it. On a file system without locks nothing is locked.

    Args:
        path: The lock file.
        wait: Seconds to wait for another process.

    Raises:
        TimeoutError: Another process, which is named, still holds it.
        OSError: The lock file cannot be created.
    """
    deadline = time.monotonic() + wait
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            if _take(descriptor) and _is_at(descriptor, path):
                break
            holder = os.pread(descriptor, 200, 0) if hasattr(os, "pread") else b""
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            found = holder.decode("utf-8", "replace").strip() or "another process"
            raise TimeoutError(errno.ETIMEDOUT, f"{found} is writing there; try again when it is done", str(path))
        time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 (not all at once)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
        yield
    finally:
        try:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Try to lock an open file, and return whether it is; OSError where the file system has no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise
        return False
    return True


def _take(descriptor: int) -> bool:
    """Try to lock an open file, which succeeds where there are no locks."""
    try:
        return _lock(descriptor)
    except OSError:
        return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is still the one at `path`: its holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


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
