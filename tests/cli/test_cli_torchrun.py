"""The command line in two processes: by torchrun, and by processes in the environment that torchrun gives them."""

import csv
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest

from textcnn import load_model, run
from textcnn.cli import main
from textcnn.inference.artifact import load_artifact

OPTIONS = ("--dimension", "8", "--feature-maps", "4", "--patience", "30", "--device", "cpu", "--no-report")
SERVER = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
if os.name != "nt":
    PRELOADED = ["textcnn.run", "textcnn.training._loop", "textcnn.nn.kim", "torch.distributed", "scipy.optimize"]
    SERVER.set_forkserver_preload(PRELOADED)

on_posix = pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "texts.csv"
    generator = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for label in generator.integers(0, 2, size=203).tolist():
            words = [f"w{w}" for w in generator.integers(0, 50, size=generator.integers(1, 12))]
            rows.writerow([" ".join([f"mark{label + 2 * (generator.random() < 0.4)}", *words]), "ab"[label]])
    return path


@dataclass
class Started:
    """A process of the command line, and where its output goes."""

    process: multiprocessing.Process
    out: object
    err: object

    def saw(self, words):
        """Wait until its messages have these words."""
        deadline = time.monotonic() + 60
        while words not in self.err.read_text(encoding="utf-8"):
            assert self.process.is_alive(), self.err.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.005)


def command_line(args, environment, broken, *streams):
    for descriptor, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.update(environment)
    sys.argv = ["textcnn", *map(str, args)]
    if broken:
        run.train_model = by_mistake
    try:
        main()
    except ZeroDivisionError:
        sys.excepthook(*sys.exc_info())
        sys.exit(1)


def by_mistake(*args, **keywords):
    raise ZeroDivisionError("by mistake")


def start(folder, *args_of_each, broken=None):
    """Start the command line in several processes, each with its own arguments."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    started = []
    for rank, args in enumerate(args_of_each):
        environment = {"RANK": str(rank), "WORLD_SIZE": str(len(args_of_each)), "LOCAL_RANK": str(rank)}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        streams = [folder / f"{name}-{rank}-{port}.log" for name in ("out", "err")]
        for path in streams:
            path.touch()
        process = SERVER.Process(target=command_line, args=(args, environment, rank == broken, *streams))
        started.append(Started(process, *streams))
        started[-1].process.start()
    return started


def ended(started):
    """How each ended, what it printed, and its messages."""
    for each in started:
        each.process.join(120)
    return [(each.process.exitcode, each.out.read_text(), each.err.read_text(encoding="utf-8")) for each in started]


def errors(*endings):
    """The lines of all processes that tell an error."""
    return [line for _, _, err in endings for line in err.splitlines() if line.startswith(("Error: ", "Traceback"))]


@pytest.fixture
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_same_model(left, right):
    left, right = load_artifact(left), load_artifact(right)
    for name, weight in right.weights.items():
        np.testing.assert_allclose(left.weights[name], weight, rtol=1e-4, atol=5e-6, err_msg=name)
    history, like = left.training["history"], right.training["history"]
    assert (history["best_epoch"], len(history["epochs"])) == (like["best_epoch"], len(like["epochs"]))
    figures, expected = left.metrics["validation"], right.metrics["validation"]
    assert figures["accuracy"] == expected["accuracy"]
    assert figures["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-4)


def test_torchrun_trains_the_model_of_one_process(corpus, tmp_path, textcnn, logs):
    train = ("train", corpus, *OPTIONS, "--epochs", "3", "-o")  # few texts: five networks
    assert textcnn(*train, tmp_path / "one").code == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "textcnn"]
    done = subprocess.run([*command, *map(str, train), tmp_path / "two"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["validation", "test", "saved"]
    assert [line[:8] for line in done.stderr.splitlines() if line.startswith("epoch")] == [f"epoch  {i}" for i in "123"]
    assert names(tmp_path) == ["one", "texts.csv", "two"]
    assert_same_model(tmp_path / "two", tmp_path / "one")
    assert load_artifact(tmp_path / "two").training["environment"]["processes"] == 2


def test_the_first_alone_prints_and_writes(corpus, tmp_path, textcnn, logs):
    shared = ("train", corpus, "--test", corpus, *OPTIONS, "--epochs", "3", "--validation-folds", "0", "-o")
    assert textcnn(*shared, tmp_path / "one").code == 0
    first, second = ended(start(logs, (*shared, tmp_path / "two"), (*shared, tmp_path / "nothing" / "here")))
    assert second == (0, "", "")
    assert first[0] == 0
    assert [line.split()[0] for line in first[1].splitlines()] == ["validation", "test", "saved"]
    assert "best epoch: " in first[2]
    assert names(tmp_path) == ["one", "texts.csv", "two"]
    assert_same_model(tmp_path / "two", tmp_path / "one")


@on_posix
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_all_and_the_run_goes_on(corpus, tmp_path, textcnn, logs, killed):
    train = ("train", corpus, *OPTIONS, "--epochs", "30", "--validation-folds", "0", "-o")
    started = start(logs, *[(*train, tmp_path / "m")] * 2)
    started[0].saw("epoch  2")
    started[killed].process.kill()
    endings = ended(started)
    assert endings[killed][0] == -signal.SIGKILL
    assert endings[1 - killed][0] == 2
    # With the first process ends what these share here; torchrun keeps that itself, and names the process that failed.
    told = "Error: expected 2 processes until training ends, found that one has ended"
    assert [line.partition(" (")[0] for line in errors(*endings)] == [told] * killed
    left = [name for name in names(tmp_path) if not name.startswith(".textcnn-")]
    assert [name for name in left if name != "m.lock"] == ["m.checkpoint", "texts.csv"]
    again = ended(start(logs, *[(*train, tmp_path / "m", "--resume")] * 2))
    assert [code for code, _, _ in again] == [0, 0], again
    assert "epoch  1" not in again[0][2]
    assert names(tmp_path) == ["m", "texts.csv"]
    assert textcnn(*train, tmp_path / "one").code == 0
    assert_same_model(tmp_path / "m", tmp_path / "one")


@on_posix
def test_ctrl_c_saves_the_best_epoch(corpus, tmp_path, textcnn, logs):
    train = ("train", corpus, *OPTIONS, "--epochs", "1000", "--patience", "1000", "--validation-folds", "0", "-o")
    started = start(logs, *[(*train, tmp_path / "m")] * 2)
    started[0].saw("epoch  3")
    for each in started:
        os.kill(each.process.pid, signal.SIGINT)
    first, second = ended(started)
    assert second == (130, "", "")
    assert first[0] == 130
    assert first[2].splitlines()[-1] == (
        "the best epoch's model is saved; call the command again with --resume to continue"
    )
    load_model(tmp_path / "m")
    assert names(tmp_path) == ["m", "m.checkpoint", "texts.csv"]


@on_posix
def test_ctrl_c_before_training(corpus, tmp_path, logs):
    train = ("train", corpus, *OPTIONS, "-o", tmp_path / "m")
    started = start(logs, train, train)
    started[0].saw("203 train")
    for each in started:
        os.kill(each.process.pid, signal.SIGINT)
    endings = ended(started)
    if {code for code, _, _ in endings} != {0}:  # it was too late
        assert 130 in {code for code, _, _ in endings}
        assert len(errors(*endings)) <= 1


MISTAKES = {
    "an option": (("train", "--nothing"), "No such option '--nothing'"),
    "a file": (("train", "nothing.csv"), "nothing.csv"),
    "a setting": (("train", "--epochs", "3", "--learning-rate", "-1"), "--learning-rate"),
    "a folder": (("train", "-o", "nothing/here"), "expected the folder"),
    "folds": (
        ("train", "--cv", "3"),
        "Error: --cv: expected one process, found 2; leave out torchrun, or train without --cv",
    ),
    "tune": (
        ("tune",),
        "Error: tune: expected one process, found 2; leave out torchrun, which is for textcnn train",
    ),
    "distill": (
        ("distill", "--unlabelled", "x.txt"),
        "Error: distill: expected one process, found 2; leave out torchrun, which is for textcnn train",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_an_error_of_all_is_told_once(logs, name):
    args, words = MISTAKES[name]
    endings = ended(start(logs, args, args))
    [line] = errors(*endings)
    assert words in line
    assert 2 in {code for code, _, _ in endings}
    assert {code for code, _, _ in endings} <= {2, 128 + signal.SIGTERM}
    assert [out for _, out, _ in endings] == ["", ""]


def test_an_error_of_another_process_is_told(corpus, tmp_path, logs):
    train = ("train", corpus, *OPTIONS, "-o", tmp_path / "m")
    first, second = ended(start(logs, train, ("train", tmp_path / "missing.csv", *train[2:])))
    assert (first[0], second[0], second[1]) == (2, 2, "")
    [line] = second[2].splitlines()
    assert re.match(r"Error: .*missing\.csv", line)
    assert errors(first) == []  # what follows
    assert names(tmp_path) == ["texts.csv"]


def test_all_need_the_same_texts(corpus, tmp_path, logs):
    other = tmp_path / "other.csv"
    other.write_text(corpus.read_text(encoding="utf-8").replace("mark1 ", "mark2 ", 1), encoding="utf-8")
    train = ("train", corpus, *OPTIONS, "-o", tmp_path / "m")
    endings = ended(start(logs, train, ("train", other, *train[2:])))
    assert [code for code, _, _ in endings] == [2, 2]
    [line] = errors(*endings)
    assert line == (
        "Error: expected the same texts and settings in each process, found other data in process 1 than in process 0; "
        "give all the same files and options"
    )
    assert names(tmp_path) == ["other.csv", "texts.csv"]


def test_a_mistake_of_ours_is_traced_in_any_process(corpus, tmp_path, logs):
    train = ("train", corpus, *OPTIONS, "-o", tmp_path / "m")
    first, second = ended(start(logs, train, train, broken=1))
    assert (first[0], second[0]) == (2, 1)
    assert second[2].startswith("Traceback")
    assert second[2].endswith("ZeroDivisionError: by mistake\n")
    assert names(tmp_path) == ["texts.csv"]
