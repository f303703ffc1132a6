import errno
import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from textcnn.files import discard, locked, read_plain, written_whole


def fill(path, content):
    with written_whole(path) as file:
        file.write(content)


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.txt"
    fill(path, b"old")

    def fails():
        with written_whole(path) as file:
            file.write(b"half")
            file.flush()
            assert path.read_bytes() == b"old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert path.read_bytes() == b"old"
    fill(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out.txt"]


def test_writers_at_once_do_not_mix(tmp_path):
    path = tmp_path / "out.txt"
    with written_whole(path) as first, written_whole(path) as second:
        first.write(b"first" * 9)
        second.write(b"second")
        second.flush()
    assert path.read_bytes() == b"first" * 9  # the last to finish
    assert names(tmp_path) == ["out.txt"]


def _write_and_wait(path, ready):
    with written_whole(path) as file:
        file.write(b"half")
        file.flush()
        ready.set()
        time.sleep(60)


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "out.txt"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_write_and_wait, args=(path, ready))
    process.start()
    assert ready.wait(60)
    fill(tmp_path / "other.txt", b"x")
    fill(path, b"y")  # the other one still writes
    assert len(names(tmp_path)) == 3
    [part] = tmp_path.glob("*.part")
    os.utime(part, (0, 0))
    fill(path, b"y")
    assert part.exists()
    process.kill()
    process.join(30)
    part.touch()  # just now
    (tmp_path / f"{part.name[:-5]}0.part").touch()  # by a writer that may be about to lock it
    fill(path, b"z")
    assert names(tmp_path) == [f"{part.name[:-5]}0.part", "other.txt", "out.txt"]
    os.utime(tmp_path / f"{part.name[:-5]}0.part", (0, 0))
    discard(path)
    assert names(tmp_path) == ["other.txt"]


def test_permissions_are_kept_and_links_followed(tmp_path):
    fill(tmp_path / "new", b"x")
    (tmp_path / "plain").write_bytes(b"")
    mode = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode
    (tmp_path / "new").chmod(0o600)
    (tmp_path / "link").symlink_to("new")
    fill(tmp_path / "link", b"y")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new").read_bytes() == b"y"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_file_that_is_a_mount_point_is_filled_in_place(tmp_path, monkeypatch):
    path = tmp_path / "out.txt"
    path.write_bytes(b"a longer old content")
    inode = path.stat().st_ino

    def busy(self, target):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    fill(path, b"new")
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", inode)
    assert names(tmp_path) == ["out.txt"]


def test_errors_name_the_file_that_was_asked_for(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="out.txt") as error:
        fill(tmp_path / "none" / "out.txt", b"x")
    assert error.value.filename == str(tmp_path / "none" / "out.txt")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as error:
        fill(tmp_path / "out.txt", b"x")
    assert error.value.filename == str(tmp_path / "out.txt")
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_plain_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="plain file"):
            read_plain(path)
    with pytest.raises(OSError, match="directory|denied"):
        read_plain(tmp_path)
    (tmp_path / "file").write_bytes(b"x\r\n\x1a")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "link") == b"x\r\n\x1a"


def _hold(path, ready, done):
    with locked(path):
        ready.set()
        done.wait(30)


def test_a_lock_keeps_others_out_and_names_its_holder(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "lock", ready, done))
    process.start()
    try:
        assert ready.wait(60)
        with pytest.raises(TimeoutError, match=f"process {process.pid} on "), locked(tmp_path / "lock", wait=0.1):
            pytest.fail("two hold it")
        done.set()
        with locked(tmp_path / "lock", wait=30):
            assert names(tmp_path) == ["lock"]
    finally:
        done.set()
        process.join(30)
    assert names(tmp_path) == []


def test_a_lock_ends_with_its_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "lock", ready, done))
    process.start()
    assert ready.wait(60)
    process.kill()
    process.join(30)
    with locked(tmp_path / "lock", wait=0):
        pass
    assert names(tmp_path) == []


def test_without_locks_in_the_file_system_nothing_is_locked(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locked(tmp_path / "lock"), locked(tmp_path / "lock", wait=0):
        pass
