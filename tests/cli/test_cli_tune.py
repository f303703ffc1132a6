"""`textcnn tune`: budgets, what is printed, and how it ends; the search itself is in tests/tuning."""

import itertools
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.cli.tune import parse_budget
from textcnn.errors import ConfigError
from textcnn.inference.artifact import load_artifact

QUICK = ("--arch", "kim", "--epochs", "2", "--validation-folds", "0", "--device", "cpu")


@pytest.fixture(autouse=True)
def _few_trials(monkeypatch):
    """Three trials, whatever the machine's speed."""
    import textcnn.tuning.search

    run = textcnn.tuning.search._Search.run
    monkeypatch.setattr(textcnn.tuning.search._Search, "run", lambda self, most: run(self, 3))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("90s", 90), ("1h30m", 5400), ("45", 45), ("1.5h", 5400), ("1m30", 90), (" 2h3m4s ", 7384)],
)
def test_budgets(text, seconds):
    assert parse_budget(text) == seconds


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_budgets_of_all_units(hours, minutes, seconds):
    assert parse_budget(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@given(st.text(max_size=8))
def test_any_text_is_a_time_or_an_error_that_shows_it(text):
    try:
        seconds = parse_budget(text)
    except ConfigError as error:
        seconds = str(error)
    assert seconds > 0 if isinstance(seconds, float) else seconds.endswith(f"1h30m, found {text!r}")


@pytest.mark.parametrize("text", ["", "0", "0m", "-5m", "10 minutes", "m", "inf", "nan", "1e3", "9" * 400, "٣m"])
def test_no_time_is_one_line(textcnn, reviews, tmp_path, text):
    ended = textcnn("tune", reviews, "--budget", text, "-o", tmp_path / "m")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("Error: Invalid value for '--budget': expected a time such as 10m, 90s or 1h30m, found")


def test_what_is_printed_and_the_same_model_again(textcnn, reviews, tmp_path):
    ended = textcnn("tune", reviews, "-o", tmp_path / "m", "--text-column", "text", "--dropout", "0.25", *QUICK)
    assert ended.code == 0, ended.err
    lines = ended.err.splitlines()
    assert lines[0] == f"{reviews}: 60 train; 2 classes (negative, positive)"
    trials = [line for line in lines if line.startswith("trial ")]
    assert len(trials) == 3
    form = r"trial +\d+  loss \d\.\d{4}  \d epochs?  best \d\.\d{4} \(trial \d+\)  \d+:\d\d left(  stopped early)?"
    assert all(re.fullmatch(form, line) for line in trials), trials

    out = ended.out.splitlines()
    assert re.fullmatch(r"best        trial \d+  loss \d\.\d{4}  \(the defaults.*; 3 trials\)", out[0])
    assert f"search      {tmp_path / 'm' / 'tune.html'}" in out
    assert re.search(r"^model       [\d.]+ MB  \d+ µs a text$", ended.out, re.MULTILINE)
    again = ended.out.partition("the same model again:\n")[2]
    parts = shlex.split(again.replace("\\\n", ""))
    assert parts[:3] == ["textcnn", "train", str(reviews)]
    assert ("--dropout", "0.25") in itertools.pairwise(parts)
    assert textcnn(*parts[1:], "-o", tmp_path / "again").code == 0
    left, right = load_artifact(tmp_path / "m"), load_artifact(tmp_path / "again")
    assert all(np.array_equal(left.weights[name], right.weights[name]) for name in left.weights)
    assert left.metrics["validation"] == right.metrics["validation"]
    assert left.model.dropout == 0.25


def test_a_setting_that_is_given_is_not_searched(textcnn, reviews, tmp_path):
    given = ("--region-sizes", "1,2", "--feature-maps", "4", "--dimension", "8", "--learning-rate", "0.01")
    ended = textcnn("tune", reviews, "-o", tmp_path / "m", *given, *QUICK, "--no-report")
    assert ended.code == 0, ended.err
    page = load_artifact(tmp_path / "m").model
    assert (page.region_sizes, page.feature_maps, page.dimension) == ((1, 2), 4, 8)
    assert not (tmp_path / "m" / "tune.html").exists()
    ended = textcnn("tune", reviews, "-o", tmp_path / "n", "--arch", "kim", "--k-top", "3")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith("Error: --k-top: expected none for the architecture kim")


def test_an_earlier_search_is_resumed_or_replaced(textcnn, reviews, tmp_path):
    tune = ("tune", reviews, "-o", tmp_path / "m", "--no-report", *QUICK)
    assert textcnn(*tune).code == 0
    ended = textcnn(*tune)
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith(f"Error: {tmp_path / 'm'}: a model is there already")
    ended = textcnn(*tune, "--resume")
    assert ended.code == 0, ended.err
    assert "6 trials" in ended.out
    ended = textcnn(*tune, "--resume", "--seed", "1")
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith(f"Error: {tmp_path / 'm.tune.db'}: expected a search of these data")
    ended = textcnn(*tune, "--overwrite")
    assert "3 trials" in ended.out


def test_limits_that_no_model_keeps(textcnn, reviews, tmp_path):
    ended = textcnn("tune", reviews, "-o", tmp_path / "m", "--max-mb", "0.001", *QUICK)
    assert ended.code == 2
    lines = ended.err.splitlines()
    assert "over the limit: " in lines[1]
    assert re.match(r"Error: expected a model within the limits, found none among \d: the smallest has", lines[-1])
    assert not (tmp_path / "m").exists()


def test_a_locked_storage_and_a_missing_extra(textcnn, reviews, tmp_path, monkeypatch):
    monkeypatch.setattr("textcnn.tuning._study.WAIT", 0.1)
    other = sqlite3.connect(tmp_path / "m.tune.db")
    other.execute("BEGIN EXCLUSIVE")
    ended = textcnn("tune", reviews, "-o", tmp_path / "m", "--resume", *QUICK)
    other.close()
    assert ended.code == 2
    assert ended.err.splitlines()[1:] == [
        f"Error: {tmp_path / 'm.tune.db'}: expected to read and write a study there, found: database is locked; "
        "another process writes there: try again when it is done"
    ]
    monkeypatch.setitem(sys.modules, "optuna", None)
    ended = textcnn("tune", reviews, "-o", tmp_path / "m")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "Error: expected Optuna, which does the searching, found none; install it: pip install 'textcnn[tune]'\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_saves_the_best_model(reviews, tmp_path):
    command = [sys.executable, "-m", "textcnn", "tune", reviews, "-o", tmp_path / "m", "--budget", "1h", *QUICK]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    with process:
        while not process.stderr.readline().startswith("trial   1"):
            assert process.poll() is None
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    watchdog.cancel()
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "the best trial's model is saved; call the command again with --resume to continue"
    assert "Traceback" not in err
    assert out.startswith("best        trial")
    load_artifact(tmp_path / "m")
