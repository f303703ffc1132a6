"""Runs that are stopped: by Ctrl-C, by kill -9 at many moments, by a full disk; and cross-validation."""

import contextlib
import csv
import json
import multiprocessing
import os
import random
import re
import shutil
import sys
import time

import numpy as np
import pytest

from textcnn import load_model
from textcnn.cli import main
from textcnn.errors import ModelError
from textcnn.inference.artifact import load_artifact
from textcnn.training import cross_validation
from textcnn.training.progress import Progress

OPTIONS = ("--dimension", "16", "--feature-maps", "8", "--epochs", "12", "--patience", "12", "--device", "cpu")
if os.name != "nt":
    SERVER = multiprocessing.get_context("forkserver")
    SERVER.set_forkserver_preload(["textcnn.run", "textcnn.training._loop", "textcnn.nn.kim"])


@pytest.fixture
def corpus(tmp_path):
    """Texts enough that an epoch takes a while."""
    path = tmp_path / "texts.csv"
    generator = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for label in generator.integers(0, 2, size=600).tolist():
            words = [f"w{w}" for w in generator.integers(0, 50, size=12)]
            rows.writerow([" ".join([f"mark{label + 2 * (generator.random() < 0.4)}", *words]), "ab"[label]])
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def same_weights(left, right):
    left, right = load_artifact(left).weights, load_artifact(right).weights
    return all(np.array_equal(left[name], right[name]) for name in left)


def command_line(args, messages):
    """Run the command line in this process; its messages go into a pipe."""
    os.dup2(messages.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["textcnn", *map(str, args)]
    main()


@contextlib.contextmanager
def started(*args):
    """The command line in a process of its own, and what it says; a fork of one that has torch loaded already."""
    reader, writer = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=command_line, args=(args, writer))
    process.start()
    writer.close()
    with reader, os.fdopen(os.dup(reader.fileno()), encoding="utf-8") as messages:
        yield process, messages


def ended(*args):
    """How the command line ends in such a process, and what it says."""
    with started(*args) as (process, messages):
        said = messages.read()
        process.join()
    return process.exitcode, said


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_kill_at_any_moment_leaves_a_run_that_goes_on(corpus, tmp_path):
    train = ("train", corpus, *OPTIONS, "--no-report", "-o")
    assert ended(*train, tmp_path / "whole")[0] == 0
    moments = random.Random(0)
    kills = 0
    for _ in range(20):
        with started(*train, tmp_path / "m", "--resume") as (process, messages):
            assert messages.readline().startswith(f"{corpus}: 600 train")
            for _ in range(moments.randrange(4)):  # some epochs on, then at any moment of the next or of the saving
                messages.readline()
            time.sleep(moments.random() * 0.1)
            process.kill()
            process.join()
        if process.exitcode == 0:
            break
        kills += 1
        if any((tmp_path / "m").glob("*config.json")):
            load_model(tmp_path / "m")
            if not (tmp_path / "m.checkpoint").exists():
                break  # it was done
        elif (tmp_path / "m").exists():  # killed in its first save, before the model was whole
            assert (tmp_path / "m.checkpoint").exists()
        if (tmp_path / "m.checkpoint").exists() and kills >= 4:
            break
    assert kills >= 2
    if (tmp_path / "m.checkpoint").exists():
        assert ended(*train, tmp_path / "m", "--resume")[0] == 0
    assert same_weights(tmp_path / "m", tmp_path / "whole")
    for left in (tmp_path / "m.lock", *tmp_path.glob(".textcnn-*.part")):  # of a run that was killed when all was saved
        assert left.name == "m.lock" or not left.stat().st_size  # the next run removes one that was begun
        left.unlink(missing_ok=True)
    assert names(tmp_path) == ["m", "texts.csv", "whole"]


class Stop(Progress):
    """Raises at an epoch's first batch."""

    def __init__(self, epoch, error):
        self.stop, self.error = epoch, error

    def batch(self, *, epoch, texts, loss):
        if epoch == self.stop:
            raise self.error


def stopping(monkeypatch, epoch, error):
    monkeypatch.setattr("textcnn.cli.display.make_progress", lambda: contextlib.nullcontext(Stop(epoch, error)))


def assert_refused(ended, path, *parts):
    line = ended.err.splitlines()[-1]
    assert line.startswith(f"Error: {path}: ")
    assert all(part in line for part in parts), line


def test_ctrl_c_then_resume_is_a_run_never_stopped(textcnn, corpus, tmp_path, monkeypatch):
    assert textcnn("train", corpus, "-o", tmp_path / "whole", *OPTIONS).code == 0
    with monkeypatch.context() as patch:
        stopping(patch, 4, KeyboardInterrupt())
        ended = textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS)
    assert ended.code == 130
    assert "--resume" in ended.err.splitlines()[-1]
    load_model(tmp_path / "m")
    assert names(tmp_path) == ["m", "m.checkpoint", "texts.csv", "whole"]
    assert textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS, "--resume").code == 0
    assert same_weights(tmp_path / "m", tmp_path / "whole")
    assert names(tmp_path) == ["m", "texts.csv", "whole"]


def test_an_unfinished_run_is_not_lost_by_accident(textcnn, corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stopping(patch, 3, ModelError("the disk is full"))
        ended = textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS)
    assert (ended.code, ended.err.splitlines()[-1]) == (2, "Error: the disk is full")
    assert names(tmp_path) == ["m.checkpoint", "texts.csv"]
    ended = textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS)
    assert ended.code == 2
    assert_refused(ended, tmp_path / "m.checkpoint", "unfinished run", "--resume", "--overwrite")
    ended = textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS, "--seed", "1", "--resume")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == (
        f"Error: {tmp_path / 'm.checkpoint'}: expected a checkpoint of this run, found one with other "
        "folds, training settings; use the settings and data of that run, or leave --resume out"
    )
    assert textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS, "--overwrite").code == 0
    assert names(tmp_path) == ["m", "texts.csv"]


def test_cross_validation_prints_folds_and_goes_on(textcnn, corpus, tmp_path, monkeypatch):
    options = (*OPTIONS[:5], "2", *OPTIONS[6:])
    whole = textcnn("train", corpus, "-o", tmp_path / "whole", *options, "--cv", "3")
    assert whole.code == 0
    lines = whole.out.splitlines()
    assert [line.partition("  acc")[0] for line in lines[:3]] == ["fold  1 of 3", "fold  2 of 3", "fold  3 of 3"]
    assert re.match(r"accuracy   mean [01]\.", lines[3])
    assert re.match(r"macro-F1   mean [01]\.", lines[4])
    assert lines[5] == f"saved      {tmp_path / 'whole.cv.json'}"
    assert names(tmp_path) == ["texts.csv", "whole.cv.json", "whole.cv.safetensors"]
    ended = textcnn("train", corpus, "-o", tmp_path / "whole", *options, "--cv", "3")
    assert_refused(ended, tmp_path / "whole.cv.json", "scores of folds", "--resume", "--overwrite")
    kept = json.loads((tmp_path / "whole.cv.json").read_text())
    (tmp_path / "m.cv.json").write_text(json.dumps({**kept, "folds": kept["folds"][:2]}))
    shutil.copy(tmp_path / "whole.cv.safetensors", tmp_path / "m.cv.safetensors")
    ended = textcnn("train", corpus, "-o", tmp_path / "m", *options, "--cv", "3")
    assert ended.code == 2
    assert_refused(ended, tmp_path / "m.cv.json", "scores of folds", "--resume", "--overwrite")
    ended = textcnn("train", corpus, "-o", tmp_path / "m", *options, "--cv", "3", "--resume", "--final")
    assert ended.code == 0
    assert ended.out.splitlines()[:5] == lines[:5]
    artifact = load_artifact(tmp_path / "m")
    assert artifact.training["cross_validation"]["folds"] == 3
    assert artifact.training["texts"] == 600
    state = [f"{name}.cv.{ending}" for name in ("m", "whole") for ending in ("json", "safetensors")]
    assert names(tmp_path) == sorted(["m", "texts.csv", *state])


def test_the_probabilities_of_each_text_out_of_its_fold(textcnn, corpus, tmp_path, monkeypatch):
    out = tmp_path / "held out.csv"
    options = (*OPTIONS[:5], "1", *OPTIONS[6:], "--cv", "2", "--cv-probabilities", out)
    with monkeypatch.context() as patch:
        patch.setattr("textcnn.training.cross_validation._score_fold", _second_fails(cross_validation._score_fold))
        ended = textcnn("train", corpus, "-o", tmp_path / "m", *options)
    assert (ended.code, out.exists()) == (2, False)
    ended = textcnn("train", corpus, "-o", tmp_path / "m", *options, "--resume")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == f"wrote      {out}"
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["text", "label", "fold", "prediction", "probability:a", "probability:b"]
    with corpus.open(newline="", encoding="utf-8") as file:
        assert [(row["text"], row["label"]) for row in csv.DictReader(file)] == [(x["text"], x["label"]) for x in rows]
    for fold in json.loads((tmp_path / "m.cv.json").read_text())["folds"]:
        own = [row for row in rows if row["fold"] == str(fold["number"])]
        assert len(own) == fold["examples"]
        assert np.mean([row["prediction"] == row["label"] for row in own]) == pytest.approx(fold["accuracy"])
    assert all(float(row["probability:a"]) + float(row["probability:b"]) == pytest.approx(1, abs=2e-6) for row in rows)
    ended = textcnn("train", corpus, "-o", tmp_path / "m", *options, "--resume")
    assert (ended.code, ended.err) == (
        2,
        f"Error: {out}: the file exists; choose another name or replace it (--overwrite)\n",
    )
    ended = textcnn("train", corpus, "-o", tmp_path / "n", "--cv-probabilities", out)
    assert (ended.code, ended.err) == (
        2,
        "Error: --cv-probabilities: expected --cv beside it; textcnn train alone has no folds\n",
    )


def _second_fails(function):
    def score(number, *others):
        if number == 2:
            raise ModelError("the disk is full")
        return function(number, *others)

    return score


def test_resume_never_replaces_a_finished_model(textcnn, corpus, tmp_path):
    assert textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS).code == 0
    ended = textcnn("train", corpus, "-o", tmp_path / "m", *OPTIONS, "--seed", "1", "--resume")
    assert ended.code == 2
    assert ended.err == (
        f"Error: {tmp_path / 'm'}: a model is there already; choose another name or replace it (--overwrite)\n"
    )


def test_a_test_file_is_not_among_the_folds(textcnn, corpus, tmp_path):
    held_out = tmp_path / "test.csv"
    held_out.write_text("text,label\n" + "w1 mark0,a\nw2 mark1,b\n" * 5, encoding="utf-8")
    options = (*OPTIONS[:5], "1", *OPTIONS[6:])
    ended = textcnn("train", corpus, "--test", held_out, "-o", tmp_path / "m", "--cv", "2", "--final", *options)
    assert ended.code == 0, ended.err
    assert "(300 texts, epoch 1)" in ended.out
    assert load_artifact(tmp_path / "m").metrics["test"]["examples"] == 10
    ended = textcnn("train", corpus, "--test", held_out, "-o", tmp_path / "m", "--cv", "2", *options, "--overwrite")
    assert ended.code == 0, ended.err  # a model that is not touched is no reason to stop


def test_final_needs_folds(textcnn, tmp_path):
    ended = textcnn("train", "-o", tmp_path / "m", "--final")
    assert (ended.code, ended.err) == (
        2,
        "Error: --final: expected --cv beside it; textcnn train alone trains a model\n",
    )


def test_options_go_before_a_preset(textcnn, corpus, tmp_path):
    ended = textcnn(
        *("train", corpus, "-o", tmp_path / "m", "--preset", "kalchbrenner2014"),
        *("--dimension", "8", "--feature-maps", "2,3", "--epochs", "1", "--optimizer", "adam"),
    )
    assert ended.code == 0, ended.err
    artifact = load_artifact(tmp_path / "m")
    assert (artifact.model.dimension, artifact.model.feature_maps, artifact.model.k_top) == (8, (2, 3), 4)
    assert artifact.text.tokenizer == "whitespace"
    assert artifact.training["settings"]["optimizer"] == "adam"
