import dataclasses
import json
import os
import re
import statistics

import numpy as np
import pyarrow as pa
import pytest

from textcnn.data.labelled import Labelled
from textcnn.data.splits import stratified_folds
from textcnn.errors import DataError
from textcnn.model import Model
from textcnn.settings.options import Settings, make_settings
from textcnn.training.cross_validation import Fold, cross_validate, summarize
from textcnn.training.pipeline import train_model
from textcnn.training.progress import Progress

CLASSES = np.array(["a", "b"])


def settings(**changes) -> Settings:
    small = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 2, "batch_size": 10}
    return make_settings({**small, **changes})


def data(size=60, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, size=size)
    words = generator.integers(0, 20, size=(size, 5))
    texts = [" ".join([f"mark{label}", *(f"w{w}" for w in row)]) for label, row in zip(labels, words, strict=True)]
    return Labelled(pa.chunked_array([texts[:10], texts[10:]]), labels)


def test_each_fold_is_scored_by_a_model_trained_on_the_others():
    labelled = data()
    found = cross_validate(labelled, CLASSES, settings(), folds=3)
    folds = found.folds
    assert [fold.number for fold in folds] == [1, 2, 3]
    assert sum(fold.examples for fold in folds) == 60
    rows = stratified_folds(labelled.labels, 3, 0)[1]
    training = labelled.take(np.setdiff1d(np.arange(60), rows))
    artifact = train_model(training, CLASSES, settings()).artifact
    test = labelled.take(rows)
    probabilities = Model(artifact).predict_proba(test.texts)
    assert folds[1].accuracy == (probabilities.argmax(axis=1) == test.labels).mean()
    assert np.array_equal(np.flatnonzero(found.fold_of == 2), rows)
    assert np.array_equal(found.probabilities[rows], probabilities)
    assert found.probabilities.shape == (60, 2)


class Interrupt(Progress):
    """Ctrl-C in the training that follows `after` finished ones."""

    def __init__(self, after):
        self.trainings_left = after + 1

    def begin(self, **kwargs):
        self.trainings_left -= 1

    def batch(self, **kwargs):
        if not self.trainings_left:
            raise KeyboardInterrupt


def test_a_resumed_run_continues_after_the_finished_folds(tmp_path):
    path = tmp_path / "m.cv.json"
    expected = cross_validate(data(), CLASSES, settings(), folds=4)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(data(), CLASSES, settings(), folds=4, results=path, progress=Interrupt(2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.cv.json", "m.cv.safetensors"]
    reported = []
    trained = Interrupt(100)
    resumed = cross_validate(
        data(), CLASSES, settings(), folds=4, results=path, resume=True, progress=trained, on_fold=reported.append
    )
    assert resumed.folds == expected.folds == reported
    assert np.array_equal(resumed.probabilities, expected.probabilities)
    assert np.array_equal(resumed.fold_of, expected.fold_of)
    assert trained.trainings_left == 101 - 2


def test_scores_from_another_run_are_refused(tmp_path):
    path = tmp_path / "m.cv.json"
    start = tmp_path / "start"
    Model(train_model(data(), CLASSES, settings())[0]).save(start)
    cross_validate(data(), CLASSES, settings(), folds=2, results=path)
    for changed, name in (
        ({"settings": settings(max_epochs=3)}, "training settings"),
        ({"data": data(seed=1)}, "data"),
        ({"folds": 3}, "folds"),
        ({"settings": dataclasses.replace(settings(), init_from=start)}, "model to start from"),
    ):
        arguments = {"data": data(), "settings": settings(), "folds": 2, **changed}
        with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .* other {name}; .*--resume"):
            cross_validate(classes=CLASSES, results=path, resume=True, **arguments)
    path.write_text('{"folds": [], "identity": []}')
    with pytest.raises(DataError, match="expected the saved scores of a run, .*remove the file"):
        cross_validate(data(), CLASSES, settings(), folds=2, results=path, resume=True)
    path.write_text("{}")
    with pytest.raises(DataError, match="expected the saved scores of a run, .*remove the file"):
        cross_validate(data(), CLASSES, settings(), folds=2, results=path, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"number": True},
        {"examples": -1},
        {"accuracy": "high"},
        {"accuracy": float("nan")},
        {"best_epoch": 1.5},
        {"colour": "red"},
    ],
)
def test_scores_with_a_field_of_a_wrong_type_are_refused(tmp_path, change):
    path = tmp_path / "m.cv.json"
    cross_validate(data(), CLASSES, settings(), folds=2, results=path)
    saved = json.loads(path.read_text())
    saved["folds"][0] |= change
    path.write_text(json.dumps(saved))
    with pytest.raises(DataError, match="expected the saved scores of a run"):
        cross_validate(data(), CLASSES, settings(), folds=2, results=path, resume=True)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "null", "5", '"x"', "{}", "[" * 100_000, "\ud800"),
        *('{"folds": 5, "identity": {}}', '{"folds": [5], "identity": {}}', '{"folds": [null], "identity": {}}'),
        *('{"folds": [], "identity": []}', '{"folds": {"a": 1}, "identity": {}}', '{"folds": [], "identity": null}'),
    ],
)
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "m.cv.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match="expected the saved scores of a run"):
        cross_validate(data(), CLASSES, settings(), folds=2, results=path, resume=True)


def test_probabilities_of_another_run_are_refused(tmp_path):
    path, beside = tmp_path / "m.cv.json", tmp_path / "m.cv.safetensors"
    cross_validate(data(), CLASSES, settings(), folds=2, results=tmp_path / "other.cv.json")
    other = (tmp_path / "other.cv.safetensors").read_bytes()
    cross_validate(data(), CLASSES, settings(random_state=1), folds=2, results=path)
    message = rf"^{re.escape(str(beside))}: expected the probabilities of the folds in m.cv.json.*remove both files"
    for content in (other, beside.read_bytes()[:-1], b"", None):
        beside.unlink()
        if content is not None:
            beside.write_bytes(content)
        with pytest.raises(DataError, match=message):
            cross_validate(data(), CLASSES, settings(random_state=1), folds=2, results=path, resume=True)
        beside.touch()


def test_a_class_may_be_rarer_than_folds(tmp_path):
    labelled = data(20)
    labelled = Labelled(labelled.texts, np.where(np.arange(20) == 3, 2, labelled.labels))
    classes = np.array(["a", "b", "c"])
    found = cross_validate(labelled, classes, settings(), folds=4, scarce=True)
    assert found.probabilities.shape == (20, 3)
    assert set(found.fold_of) == {1, 2, 3, 4}
    grouped = Labelled(labelled.texts, labelled.labels, groups=np.arange(20) % 3)
    with pytest.raises(DataError, match="^expected texts in each of 4 folds, found too few groups; use fewer folds$"):
        cross_validate(grouped, classes, settings(), folds=4, scarce=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_holds_no_scores(tmp_path):
    os.mkfifo(tmp_path / "m.cv.json")
    with pytest.raises(DataError, match="expected the saved scores of a run"):
        cross_validate(data(), CLASSES, settings(), folds=2, results=tmp_path / "m.cv.json", resume=True)


def test_fewer_examples_than_folds():
    with pytest.raises(DataError, match="class 'b' has one example, expected at least 2"):
        cross_validate(Labelled(pa.chunked_array([["x", "y", "z"]]), np.array([0, 0, 1])), CLASSES, settings(), folds=2)


def test_summary():
    folds = [Fold(i, 10, accuracy, 0.5, 1.0, 1) for i, accuracy in enumerate((0.5, 0.7, 0.9))]
    summary = summarize(folds)
    assert summary["folds"] == 3
    assert summary["accuracy"]["mean"] == pytest.approx(0.7)
    assert summary["accuracy"]["standard_deviation"] == pytest.approx(statistics.stdev((0.5, 0.7, 0.9)))


def test_equal_texts_are_in_one_fold(monkeypatch):
    labelled = data(20).take(np.arange(60) % 20)
    texts, seen = np.array(labelled.texts.to_pylist()), []

    def score(number, _data, rows, *others):
        assert not set(texts[rows]) & set(np.delete(texts, rows))
        seen.extend(rows)
        fold = Fold(number=number, examples=len(rows), accuracy=1.0, macro_f1=1.0, log_loss=0.0, best_epoch=1)
        return fold, np.zeros((len(rows), 2))

    monkeypatch.setattr("textcnn.training.cross_validation._score_fold", score)
    cross_validate(labelled, CLASSES, settings(), folds=4)
    assert sorted(seen) == [*range(60)]
