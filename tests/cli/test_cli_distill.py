from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from textcnn.run import Destination


@pytest.fixture
def unlabelled(tmp_path):
    path = tmp_path / "unlabelled.csv"
    rows = [f"{i},What a {('fine', 'dull')[i % 2]} day number {i}!\n" for i in range(60)]
    path.write_text("id,text\n" + "".join(rows) + '60,""\n', encoding="utf-8")
    return path


def test_a_student_of_a_saved_model(textcnn, model, reviews, unlabelled, tiny, tmp_path):
    student = tmp_path / "student"
    command = ("distill", reviews, "--teacher", model, "--unlabelled", unlabelled, "--test", reviews, *tiny)
    ended = textcnn(*command, "-o", student, "--no-report")
    assert ended.code == 0
    assert "60 unlabelled texts" in ended.err
    assert [line.partition("  ")[0] for line in ended.out.splitlines()] == ["validation", "test", "", "saved"]
    assert "  teacher   accuracy " in ended.out
    assert "agreement " in ended.out
    answers = Destination(student).answers
    assert sorted(path.name for path in answers.iterdir()) == [
        f"{name}-00001.parquet" for name in ("test", "train", "unlabelled")
    ]
    again = textcnn(
        "train", reviews, "--soft-labels", answers / "unlabelled-00001.parquet", *tiny, "-o", tmp_path / "m"
    )
    assert again.code == 0
    assert "60 texts with soft labels" in again.err


def test_a_student_starts_from_a_saved_model(textcnn, model, reviews, tiny, tmp_path):
    command = ("distill", reviews, "--teacher", model, "--init-from", model, *tiny, "-o", tmp_path / "m", "--no-report")
    ended = textcnn(*command)
    assert ended.code == 0
    assert ended.out.startswith("start       convolution and softmax, ")
    refused = textcnn(*command, "--overwrite", "--arch", "dcnn")
    assert refused.code == 2
    assert "Error: " in refused.err


def test_files_of_predictions_teach(textcnn, model, reviews, unlabelled, tiny, tmp_path):
    answers = tmp_path / "answers.csv"
    assert textcnn("predict", "-m", model, "--input", unlabelled, "--output", answers, "--proba").code == 0
    ended = textcnn("train", reviews, "--soft-labels", answers, *tiny, "-o", tmp_path / "m", "--gold-weight", "0.3")
    assert ended.code == 0
    training = json.loads((tmp_path / "m" / "config.json").read_text())["training"]
    assert training["soft_labels"] == {"alone": 61, "with_label": 0}
    assert training["settings"]["gold_weight"] == 0.3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["{data}"], "expected a teacher or unlabelled texts, found neither; give one (--teacher, --unlabelled)"),
        (["{data}", "--teacher", "{tmp}/none"], "expected a teacher: the folder of a saved model or of a transformer"),
        (["{data}", "--teacher", "{model}", "--unlabelled", "{tmp}/none"], "expected a file, but there is no"),
        (["{data}", "--teacher", "{model}", "--keep", "0"], "0.0 is not in the range 0<x<=1"),
        (["{data}", "--unlabelled", "{more}", "--answers", "x"], "--answers: expected a teacher beside it, found none"),
        (["{data}", "--teacher", "{model}", "--gold-weight", "2"], "--gold-weight: expected a number at least 0"),
        (["{data}", "--teacher", "{model}", "-o", "{model}"], "a model is there already"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(textcnn, model, reviews, unlabelled, tmp_path, args, message):
    places = {"data": reviews, "tmp": tmp_path, "model": model, "more": unlabelled}
    given = [arg.format(**places) for arg in args]
    before = sorted(tmp_path.iterdir())
    ended = textcnn("distill", *given, *([] if "-o" in given else ["-o", tmp_path / "student"]))
    assert (ended.code, ended.out) == (2, "")
    [line] = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    assert message in line
    assert sorted(tmp_path.iterdir()) == before


def test_soft_labels_are_not_cross_validated(textcnn, reviews, tmp_path):
    ended = textcnn("train", reviews, "--soft-labels", reviews, "--cv", 3, "-o", tmp_path / "m")
    assert ended.code == 2
    assert "--soft-labels: expected no --cv beside them" in ended.err


def test_self_training_shows_each_model(textcnn, reviews, unlabelled, tiny, tmp_path):
    command = ("distill", reviews, "--unlabelled", unlabelled, *tiny, "--members", 1, "--rounds", 1, "--no-report")
    ended = textcnn(*command, "-o", tmp_path / "student")
    assert ended.code == 0
    assert "saved       " in ended.out
    assert (tmp_path / "student" / "config.json").exists()
    assert (tmp_path / "student.rounds" / "student-1").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_killed_run_is_resumed(textcnn, reviews, unlabelled, tiny, tmp_path):
    """A teacher that is killed in the middle has answered what is in its files, and is not asked for it again."""
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\n"
        "def ask(texts):\n"
        "    with open('asked.txt', 'a') as file:\n"
        "        file.write(f'{len(texts)}\\n')\n"
        "    if len(texts) > 60 and not pathlib.Path('quick').exists():\n"
        "        time.sleep(600)\n"
        "    return ['positive' if 'fine' in text else 'negative' for text in texts]\n"
    )
    more = tmp_path / "more.txt"
    more.write_text("\n".join(f"a fine day {i}" for i in range(100)))
    command = ["distill", str(reviews), "--teacher", "slow:ask", "--unlabelled", str(more), *tiny, "-o", "student"]
    run = subprocess.Popen([sys.executable, "-m", "textcnn", *command, "--no-report"], cwd=tmp_path)
    asked = tmp_path / "asked.txt"
    for _ in range(1200):
        if asked.exists() and asked.read_text() == "60\n100\n":
            break
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert sorted(path.name for path in (tmp_path / "student.answers").iterdir()) == ["train-00001.parquet"]
    (tmp_path / "quick").touch()
    again = subprocess.run([sys.executable, "-m", "textcnn", *command, "--no-report"], cwd=tmp_path, check=False)
    assert again.returncode == 0
    assert asked.read_text() == "60\n100\n100\n"
