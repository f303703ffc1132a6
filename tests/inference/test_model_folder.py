import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from textcnn.errors import ModelError
from textcnn.inference._model_folder import CONFIG, has_model, is_unused, read_files, write_files

NAMES = ("a.bin", "b.json")


class Died(BaseException):
    """The process ends here."""


def contents(seed):
    files = {name: f"{name} {seed}".encode() * 50 for name in NAMES}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {**files, CONFIG: json.dumps({"files": hashes}).encode()}


def parse(content):
    try:
        return json.loads(content)
    except ValueError:
        raise ModelError("no JSON") from None


def write(path, seed, *, overwrite=True):
    write_files(path, contents(seed), parse, overwrite=overwrite)


def read(path):
    """The seed of the model that is read."""
    _, files = read_files(path, NAMES, parse)
    [seed] = {int(content.decode().rpartition(" ")[2]) for content in files.values()}
    return seed


OPERATIONS = ("open", "replace", "unlink", "mkdir", "rmdir", "chmod")


def dying_at(step, patch):
    """From the given file operation on, every one ends the process: no cleaning up either."""
    calls = 0

    def dying(function):
        def wrapped(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls > step:
                raise Died
            return function(*args, **kwargs)

        return wrapped

    for name in OPERATIONS:
        patch.setattr(Path, name, dying(getattr(Path, name)))


@pytest.mark.parametrize("step", range(30))
def test_a_crash_at_any_step_leaves_a_whole_model(tmp_path, monkeypatch, step):
    path = tmp_path / "m"
    write(path, 1)
    (path / "notes.txt").write_text("kept")
    with monkeypatch.context() as patch:
        dying_at(step, patch)
        try:
            write(path, 2)
            finished = True
        except Died:
            finished = False
    assert read(path) in ({2} if finished else {1, 2})
    write(path, 3)
    assert read(path) == 3
    assert sorted(entry.name for entry in path.iterdir()) == sorted([*NAMES, CONFIG, "notes.txt"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("step", range(20))
def test_a_crash_of_the_first_save_leaves_room_for_the_next(tmp_path, monkeypatch, step):
    path = tmp_path / "m"
    with monkeypatch.context() as patch:
        dying_at(step, patch)
        with contextlib.suppress(Died):
            write(path, 1)
    if path.exists():
        assert read(path) == 1 if has_model(path) else is_unused(path)
    write(path, 2)
    assert read(path) == 2
    assert sorted(entry.name for entry in path.iterdir()) == sorted([*NAMES, CONFIG])


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_what_fails_leaves_nothing(tmp_path, monkeypatch, fault, existing):
    path = tmp_path / "m"
    if existing:
        write(path, 1)

    def fails(descriptor):
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(type(fault)):
            write(path, 2)
    if existing:
        assert read(path) == 1
        assert sorted(entry.name for entry in path.iterdir()) == sorted([*NAMES, CONFIG])
    else:
        assert not path.exists()


def test_permissions_and_other_files_are_kept(tmp_path):
    path = tmp_path / "m"
    write(path, 1)
    path.chmod(0o700)
    (path / "a.bin").chmod(0o600)
    (path / ".git").mkdir()
    (path / ".git" / "HEAD").write_text("x")
    write(path, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "a.bin").stat().st_mode) == 0o600
    assert (path / ".git" / "HEAD").read_text() == "x"


def test_a_model_is_replaced_only_on_request(tmp_path):
    write(tmp_path / "m", 1)
    with pytest.raises(ModelError, match="a model is there"):
        write(tmp_path / "m", 2, overwrite=False)
    assert read(tmp_path / "m") == 1


def test_files_that_are_links_are_read(tmp_path):
    path, store = tmp_path / "m", tmp_path / "blobs"
    write(path, 1)
    store.mkdir()
    for number, entry in enumerate(sorted(path.iterdir())):
        entry.rename(store / str(number))
        entry.symlink_to(store / str(number))
    assert read(path) == 1
    (path / "a.bin").write_bytes(b"other")
    with pytest.raises(ModelError, match="a.bin.*SHA-256"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", [*NAMES, CONFIG])
def test_a_pipe_is_refused_at_once(tmp_path, name):
    write(tmp_path / "m", 1)
    (tmp_path / "m" / name).unlink()
    os.mkfifo(tmp_path / "m" / name)
    with pytest.raises(ModelError, match=f"{name}.*plain file"):
        read(tmp_path / "m")


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path / "m", 1)
    (tmp_path / "m" / "b.json").unlink()
    with pytest.raises(ModelError, match=r"b\.json: could not read it: No such file"):
        read(tmp_path / "m")
