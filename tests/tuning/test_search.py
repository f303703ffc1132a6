"""Searches on small texts; trials are few, and the same in every run."""

import dataclasses
import re
import sqlite3
import sys
import time

import numpy as np
import pytest

from textcnn import load_model
from textcnn.data.labelled import Labelled
from textcnn.errors import ConfigError, DataError, ModelError, TrainingError
from textcnn.inference.artifact import load_artifact
from textcnn.run import Destination
from textcnn.settings.options import make_settings
from textcnn.text.columns import as_column
from textcnn.training.pipeline import train_model
from textcnn.tuning import search
from textcnn.tuning._study import Place
from textcnn.tuning._trials import Hopeless, Watch, cost_of
from textcnn.tuning.outcomes import FINISHED, HOPELESS, OUT_OF_TIME, SearchProgress
from textcnn.tuning.search import tune

CLASSES = ["no", "yes"]
FIXED = {"max_epochs": 3, "device": "cpu", "arch": "kim"}
LONG = 600.0  # seconds, which no test takes


def part(size=80, seed=0):
    """Texts of which a word tells the class, but for a tenth."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, size)
    wrong = generator.random(size) < 0.1
    texts = [
        " ".join([*(f"w{word}" for word in generator.integers(0, 30, 6)), f"mark{label ^ odd}"])
        for label, odd in zip(labels.tolist(), wrong.tolist(), strict=True)
    ]
    return Labelled(as_column(texts), labels)


PARTS = {"train": part(), "validation": part(40, seed=1)}


class Seen(SearchProgress):
    """Keeps what it receives, and calls a function after each trial."""

    def __init__(self, then=lambda trial: None):
        self.trials, self.bests, self.shares, self.then = [], [], [], then

    def running(self, number, share, best, left):
        self.shares.append(share)

    def ended(self, trial, best, left):
        self.trials.append(trial)
        self.bests.append(best)
        self.then(trial)


def searched(folder, parts=PARTS, fixed=FIXED, **keywords):
    keywords = {"budget": LONG, "report": False} | keywords
    return tune(parts, CLASSES, folder / "m", fixed, **keywords)


def same_weights(left, right):
    assert left.keys() == right.keys()
    return all(np.array_equal(left[name], right[name]) for name in left)


def settled(trial):
    """What of a trial is the same in every run: the size is not, since the model says how long training took."""
    return dataclasses.replace(trial, seconds=0.0, megabytes=None, microseconds=None)


def test_a_search_is_never_worse_than_the_defaults_and_the_same_each_time(tmp_path):
    seen = Seen()
    parts = PARTS | {"test": part(30, seed=2)}
    found = searched(tmp_path, parts, max_trials=6, progress=seen, source="mine", report=True)
    first = seen.trials[0]
    assert first.defaults
    assert (first.outcome, first.number) == (FINISHED, 1)
    assert found.best.score >= first.score
    assert found.best == seen.bests[-1]
    assert found.trials == seen.trials
    assert len(seen.trials) == 6
    assert not found.interrupted
    assert all(0 <= share <= 1 for share in seen.shares)

    artifact = load_model(tmp_path / "m").artifact
    assert artifact.metrics["test"]["examples"] == 30
    assert artifact.training["source"] == "mine"
    settings = make_settings(FIXED | dict(found.best.keywords))
    again = train_model(parts["train"], np.array(CLASSES), settings, validation=parts["validation"])
    assert same_weights(again.artifact.weights, artifact.weights)
    assert found.run.report == tmp_path / "m" / "report.html"

    page = found.page.read_text()
    assert found.page == tmp_path / "m" / "tune.html"
    assert f"Trial {found.best.number} of 6 is the best" in page
    assert "Too few trials to tell" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "m.tune.db"]

    (tmp_path / "again").mkdir()
    other = searched(tmp_path / "again", parts, max_trials=6)
    assert [*map(settled, other.trials)] == [*map(settled, found.trials)]


def test_all_trials_have_the_same_validation_texts_and_none_is_a_test_text(tmp_path, monkeypatch):
    held_out, memories = [], []

    def watched(training, *args, **keywords):
        trained = train_model(training, *args, **keywords)
        memories.append(len(keywords["memory"]))
        held_out.append((trained.training.texts.to_pylist(), trained.validation.texts.to_pylist()))
        return trained

    monkeypatch.setattr(search, "train_model", watched)
    parts = {"train": PARTS["train"], "test": part(30, seed=2)}
    found = searched(tmp_path, parts, FIXED | {"validation_folds": 0, "min_count": 1}, max_trials=3)
    assert len(held_out) >= 2
    assert all(pair == held_out[0] for pair in held_out)
    assert memories[-1] >= 1  # linear models are solved once
    assert not {*parts["test"].texts.to_pylist()} & {text for side in held_out[0] for text in side}
    assert "test" in found.run.model.artifact.metrics


@pytest.mark.parametrize("folds", [0, 4])
def test_the_budget_ends_a_trial_between_two_batches_and_keeps_its_best_epoch(tmp_path, monkeypatch, folds):
    looks = iter(range(200))  # at the time: twice a batch, of the folds' networks too
    monkeypatch.setattr(search._Search, "_left", lambda self: 1.0 if next(looks, None) is not None else 0.0)
    fixed = {"max_epochs": 1000, "patience": 1000, "device": "cpu", "arch": "kim", "dimension": 16}
    found = searched(tmp_path, {"train": part(400)}, fixed | {"validation_folds": folds})
    assert [trial.outcome for trial in found.trials] == [OUT_OF_TIME]
    assert 1 <= found.best.epochs <= (3 if folds else 15)
    assert not found.interrupted
    load_model(tmp_path / "m")


def test_the_budget_is_time(tmp_path):
    begin = time.monotonic()
    found = searched(tmp_path, fixed={"max_epochs": 100_000, "patience": 100_000, "arch": "kim"}, budget=4.0)
    assert 4 <= time.monotonic() - begin < 20  # a machine may be busy
    assert [trial.outcome for trial in found.trials] == [OUT_OF_TIME]


def test_too_small_a_budget(tmp_path):
    with pytest.raises(ConfigError, match="^budget: expected time enough for the first epoch"):
        searched(tmp_path, budget=1e-3)
    with pytest.raises(ConfigError, match="^budget: expected seconds above 0"):
        searched(tmp_path, budget=0)
    assert not (tmp_path / "m").exists()
    assert searched(tmp_path, max_trials=1).best.number == 1  # nothing was found there, so nothing is in the way


def test_hopeless_trials_are_ended_early(tmp_path):
    fixed = FIXED | {"max_epochs": 8, "patience": 8, "monitor": "loss", "ngrams": 0}
    found = searched(tmp_path, fixed=fixed, max_trials=10)
    hopeless = [trial for trial in found.trials if trial.outcome == HOPELESS]
    assert hopeless
    assert all(trial.epochs in (2, 6) and trial.megabytes is None for trial in hopeless)
    assert all(trial.score <= found.best.score for trial in hopeless)
    assert found.trials[0].outcome == FINISHED


def test_an_exception_from_progress_ends_training_cleanly():
    reported = []

    class Trial:
        def report(self, value, step):
            reported.append(step)

    settings = make_settings(FIXED | {"validation_folds": 3})
    before = train_model(PARTS["train"], np.array(CLASSES), settings)
    watch = Watch(Trial(), lambda: 1.0, lambda: None, lambda epoch, score: epoch == 2)
    with pytest.raises(Hopeless):
        train_model(PARTS["train"], np.array(CLASSES), settings, progress=watch)
    assert reported == [1, 2]
    after = train_model(PARTS["train"], np.array(CLASSES), settings)
    assert same_weights(before.artifact.weights, after.artifact.weights)


def interrupting(number):
    def interrupt(trial):
        if trial.number == number:
            raise KeyboardInterrupt

    return Seen(interrupt)


def test_ctrl_c_keeps_the_best_and_the_search_resumes(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    found = searched(tmp_path, progress=interrupting(2))
    assert found.interrupted
    assert [trial.number for trial in found.trials] == [1, 2]
    assert same_weights(load_artifact(tmp_path / "m").weights, found.run.model.artifact.weights)
    resumed = searched(tmp_path, resume=True, max_trials=2)
    assert resumed.trials[:2] == found.trials
    assert len(resumed.trials) == 4
    assert resumed.trials[2].number > 2


def test_ctrl_c_within_the_first_trial(tmp_path):
    class AtOnce(SearchProgress):
        def running(self, number, share, best, left):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, progress=AtOnce())
    assert not (tmp_path / "m").exists()
    found = searched(tmp_path, resume=True, max_trials=1)
    assert found.best.defaults  # they are tried again
    assert [trial.number for trial in found.trials] != [1]


def test_a_best_model_of_an_earlier_process_is_trained_again_to_the_same_bits(tmp_path):
    first = searched(tmp_path, max_trials=3)
    weights = load_artifact(tmp_path / "m").weights
    stages = []
    seen = Seen()
    seen.stage = stages.append
    again = searched(tmp_path, resume=True, max_trials=0, progress=seen)
    assert again.best == first.best
    assert same_weights(load_artifact(tmp_path / "m").weights, weights)
    assert stages == [f"training with the settings of trial {first.best.number} again"]


def test_time_is_set_aside_to_train_the_best_model_again(tmp_path):
    first = searched(tmp_path, max_trials=1)
    found = searched(tmp_path, resume=True, budget=first.best.seconds / 2)
    assert found.trials == first.trials


def test_an_earlier_search_is_neither_lost_nor_mistaken(tmp_path):
    file = tmp_path / "m.tune.db"
    searched(tmp_path, max_trials=1)
    with pytest.raises(ModelError, match="m: a model is there already"):
        searched(tmp_path, max_trials=1)
    for path in (tmp_path / "m").iterdir():
        path.unlink()
    (tmp_path / "m").rmdir()
    with pytest.raises(
        DataError, match=re.escape(f"{file}: expected no search there, found one; resume it (--resume)")
    ):
        searched(tmp_path, max_trials=1)
    with pytest.raises(DataError, match=re.escape(f"{file}: expected a search of these data and options") + ".*data;"):
        searched(tmp_path, {"train": part(90)}, resume=True)
    with pytest.raises(DataError, match="found one with other options;"):
        searched(tmp_path, fixed=FIXED | {"dropout": 0.1}, resume=True)
    elsewhere = {name: value for name, value in FIXED.items() if name != "device"} | {"device": "auto"}
    assert len(searched(tmp_path, fixed=elsewhere, resume=True, max_trials=1).trials) == 2
    assert len(searched(tmp_path, overwrite=True, max_trials=1).trials) == 1


def test_a_storage_that_is_locked_or_none(tmp_path, monkeypatch):
    monkeypatch.setattr("textcnn.tuning._study.WAIT", 0.1)
    file = tmp_path / "m.tune.db"
    searched(tmp_path, max_trials=1)
    other = sqlite3.connect(file)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(
        ModelError, match=re.escape(f"{file}: expected to read and write a study") + ".*locked; another"
    ):
        searched(tmp_path, resume=True)
    other.close()

    def lock(trial):
        nonlocal other
        other = sqlite3.connect(file)
        other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(ModelError, match="locked.*the best model of this call is saved in"):
        searched(tmp_path, overwrite=True, progress=Seen(lock))
    other.close()
    load_model(tmp_path / "m")

    (tmp_path / "n.tune.db").write_text("notes of mine")
    with pytest.raises(ModelError, match="not a database; choose another"):
        tune(PARTS, CLASSES, tmp_path / "n", FIXED, budget=LONG, resume=True)
    for url in ("nothing", "nosuch://host/name"):
        with pytest.raises(ConfigError, match="^storage: expected the URL of a database"):
            searched(tmp_path, storage=url, resume=True)


def test_a_storage_of_several_machines(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = searched(folder, storage=url, resume=True, max_trials=2)
        assert len(found.trials) == 2 * number
        assert not (folder / "m.tune.db").exists()
        assert sum(trial.defaults for trial in found.trials) == 1
    assert str(Place(tmp_path, "m", "postgresql://me:secret@host/name")) == "postgresql://me:***@host/name"


def test_a_folder_with_characters_that_urls_use(tmp_path):
    folder = tmp_path / "a{b}%20#c d"
    folder.mkdir()
    searched(folder, max_trials=1)
    assert (folder / "m.tune.db").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_models_over_a_limit_are_never_the_best(tmp_path):
    first = searched(tmp_path, max_trials=8)
    sizes = sorted(trial.megabytes for trial in first.trials if trial.megabytes is not None)
    assert sizes[0] < first.trials[0].megabytes
    limit = (sizes[0] + sizes[1]) / 2
    found = searched(tmp_path, resume=True, max_trials=1, max_mb=limit, report=True)
    assert found.best.megabytes <= limit
    assert sum(file.stat().st_size for file in (tmp_path / "m").iterdir() if file.suffix != ".html") < limit * 1e6
    assert "over the limit" in found.page.read_text()
    with pytest.raises(TrainingError, match=r"^expected a model within the limits, found none among \d+: the smallest"):
        searched(tmp_path, resume=True, max_trials=0, max_latency=1e-6)


def test_models_over_a_limit_do_not_make_others_hopeless(tmp_path):
    seen = Seen()
    with pytest.raises(TrainingError):
        searched(tmp_path, fixed=FIXED | {"ngrams": 0, "monitor": "loss"}, max_trials=8, max_mb=1e-3, progress=seen)
    assert {trial.outcome for trial in seen.trials} == {FINISHED}
    assert not any(seen.bests)


def test_the_cost_of_a_model(tmp_path):
    found = searched(tmp_path, max_trials=1)
    megabytes, microseconds = cost_of(found.run.model.artifact, PARTS["train"].texts)
    assert megabytes == pytest.approx(sum(f.stat().st_size for f in (tmp_path / "m").iterdir()) / 1e6, rel=0.01)
    assert 1 < microseconds < 1e5


def test_a_search_of_few_settings_ends_when_all_are_tried(tmp_path):
    space = search.Space(FIXED)
    fixed = FIXED | {"learning_rate": 0.002} | space.keywords(space.defaults())
    del fixed["lowercase"]
    found = searched(tmp_path, fixed=fixed)
    assert sorted(trial.keywords["lowercase"] for trial in found.trials) == [False, True]


def test_one_search_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("textcnn.run.WAIT", 0.1)
    with Destination(tmp_path / "m").reserved(), pytest.raises(ModelError, match="m: .*process"):
        searched(tmp_path)


def test_without_optuna(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'textcnn[tune]'")):
        searched(tmp_path)
    assert [*tmp_path.iterdir()] == []
