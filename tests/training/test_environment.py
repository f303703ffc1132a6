"""How many threads a run takes: those for which other processes leave a core free."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from textcnn.data.labelled import Labelled
from textcnn.settings.options import make_settings
from textcnn.training import _environment
from textcnn.training._environment import Cores, environment, resume_threads, torch_threads
from textcnn.training.pipeline import train_model
from textcnn.training.progress import Progress

CLASSES = np.array(["bad", "good"])


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch):
    """Torch has two threads, and the user made no choice."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(_environment, "processors", lambda: 2)
    with torch_threads(2):
        yield


def cores(free):
    return SimpleNamespace(free=lambda: free)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or not Path("/proc/stat").exists(), reason="of Linux")
def test_a_busy_core_is_not_free():
    mine = os.sched_getaffinity(0)
    busy = f"import os\nos.sched_setaffinity(0, {{{min(mine)}}})\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            watched = Cores()
            time.sleep(0.5)
            assert 1 <= watched.free() <= max(1, len(mine) - 1)
        finally:
            process.kill()


def test_free_cores_are_those_that_were_idle_or_ran_this_process(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda _: 100, raising=False)
    monkeypatch.setattr(time, "process_time", lambda: 7.5)
    statistics = tmp_path / "stat"
    statistics.write_text(
        "cpu 1 1 1 9999 9999 1\ncpu0 9 9 9 300 50 9\ncpu1 9 9 9 1000 0 9\ncpu2 9 9 9 200 0 9\nintr 5\n"
    )
    assert _environment._own_and_idle(statistics) == 5.5 + 7.5
    statistics.write_text("cpu0 what\n")
    assert _environment._own_and_idle(statistics) is None
    assert _environment._own_and_idle(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("seconds", "before", "now", "free"),
    [
        (2.0, 10.0, 14.0, 2),
        (2.0, 10.0, 12.1, 1),
        (2.0, 10.0, 10.2, 1),
        (0.05, 10.0, 10.1, None),
        (2.0, None, None, None),
    ],
)
def test_free_cores_are_counted_over_a_while(monkeypatch, seconds, before, now, free):
    clock, used = iter([100.0, 100.0 + seconds]), iter([before, now])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(_environment, "_own_and_idle", lambda: next(used))
    assert Cores().free() == free


@pytest.mark.parametrize(
    ("free", "networks", "granted", "threads"),
    [(1, 1, 2, 1), (2, 1, 2, 2), (None, 1, 2, 2), (7, 1, 8, 2), (1, 5, 2, 2), (2, 1, 1, 1), (1, 5, 1, 1)],
)
def test_a_network_takes_the_threads_that_have_a_core(monkeypatch, free, networks, granted, threads):
    monkeypatch.setattr(_environment, "processors", lambda: granted)
    assert environment("cpu", cores=cores(free), networks=networks)["threads"] == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # the user's choice
    assert environment("cpu", cores=cores(free), networks=networks)["threads"] == 2


def test_a_resumed_run_takes_the_threads_that_it_had():
    own = {"threads": 2}
    for wrong in (3, 0, "1", None):
        resume_threads(own, {"threads": wrong})
        assert (own["threads"], torch.get_num_threads()) == (2, 2)
    resume_threads(own, {"threads": 1})
    assert (own["threads"], torch.get_num_threads()) == (1, 1)


def test_a_resumed_run_keeps_the_choice_of_the_user(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    own = {"threads": 2}
    resume_threads(own, {"threads": 1})
    assert (own["threads"], torch.get_num_threads()) == (2, 2)


def test_a_run_on_a_busy_machine_resumes_with_as_many_threads(tmp_path, monkeypatch, caplog):
    threads = set()

    class Watching(Progress):
        stop_after = 1

        def epoch(self, epoch):
            threads.add(torch.get_num_threads())
            if epoch.number == self.stop_after:
                raise RuntimeError("stopped")

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, size=60)
    texts = pa.chunked_array(
        [[f"{CLASSES[y]} w{w}" for y, w in zip(labels, generator.integers(0, 9, 60), strict=True)]]
    )
    settings = make_settings(
        {"max_epochs": 3, "validation_folds": 0, "dimension": 8, "feature_maps": 4, "device": "cpu"}
    )
    keywords = {"progress": Watching(), "checkpoint": tmp_path / "checkpoint"}
    monkeypatch.setattr(Cores, "free", lambda _: 1)
    with pytest.raises(RuntimeError, match="stopped"):
        train_model(Labelled(texts, labels), CLASSES, settings, **keywords)
    assert torch.get_num_threads() == 2  # as before
    monkeypatch.setattr(Cores, "free", lambda _: 2)
    Watching.stop_after = 0
    trained = train_model(Labelled(texts, labels), CLASSES, settings, **keywords, resume=True)
    assert trained.artifact.training["environment"]["threads"] == 1
    assert threads == {1}
    assert len(trained.history.epochs) == 3
    assert torch.get_num_threads() == 2
    assert not caplog.records
