"""Classifiers and models from pickle, joblib and cloudpickle do the same, are small, and go to other processes."""

import copy
import io
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from textcnn import DataError, ModelError, TextCNNClassifier, load_model
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS

TEXTS = ["a good film", "good fun for all", "a bad film", "bad jokes and no fun"] * 12
LABELS = np.array(["yes", "yes", "no", "no"] * 12)
SETS = [["good"], ["good", "fun"], ["bad"], ["bad", "fun"]] * 12
NEW = ["such fun", "not a good film", "", "日本 words that nobody knows"]
SMALL = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 3}


def by_joblib(value):
    file = io.BytesIO()
    joblib.dump(value, file)
    file.seek(0)
    return joblib.load(file)


def by_cloudpickle(value):
    cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle, which comes with MLflow, is not installed")
    return pickle.loads(cloudpickle.dumps(value))  # noqa: S301


WAYS = {
    **{f"pickle {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, n)) for n in (2, 5)},  # noqa: S301
    "joblib": by_joblib,
    "cloudpickle": by_cloudpickle,
    "deepcopy": copy.deepcopy,
}


def one_class(**settings):
    return TextCNNClassifier(**{**SMALL, **settings}).fit(TEXTS, LABELS)


NETWORKS = {
    "kim": one_class,
    "no n-grams": lambda: one_class(ngrams=0),
    "dcnn": lambda: one_class(arch="dcnn", region_sizes=(3, 2), feature_maps=(2, 2)),
    "stacked": lambda: one_class(arch="stacked", region_sizes=(2, 2), feature_maps=(4, 4)),
    "several labels": lambda: TextCNNClassifier(**SMALL).fit(TEXTS, SETS),
    "sparse": lambda: TextCNNClassifier(**SMALL).fit(TEXTS, csr_matrix(np.eye(3, dtype=int)[np.arange(48) % 3])),
}


@pytest.fixture(scope="module", params=NETWORKS)
def classifier(request):
    return NETWORKS[request.param]()


@pytest.fixture(scope="module")
def kim():
    return NETWORKS["kim"]()


def check_same(found, expected):
    """Two classifiers or models do the same."""
    np.testing.assert_array_equal(found.predict_proba(NEW), expected.predict_proba(NEW))
    np.testing.assert_array_equal(found.decision_function(NEW), expected.decision_function(NEW))
    np.testing.assert_array_equal(found.transform(NEW), expected.transform(NEW))
    labels = expected.predict(TEXTS)
    assert all(np.array_equal(*pair) for pair in zip(found.predict(TEXTS), labels, strict=True))
    assert found.score(TEXTS, labels) == expected.score(TEXTS, labels) == 1.0
    for one, other in zip(found.explain(NEW[:2]), expected.explain(NEW[:2]), strict=True):
        np.testing.assert_array_equal(one.word_scores(), other.word_scores())


@pytest.mark.parametrize("way", WAYS)
def test_a_classifier_does_the_same(classifier, way):
    found = WAYS[way](classifier)
    check_same(found, classifier)
    assert found.get_params() == classifier.get_params()
    assert found.classes_.tolist() == classifier.classes_.tolist()
    assert found.history_ == classifier.history_


@pytest.mark.parametrize("way", WAYS)
def test_a_loaded_model_does_the_same(classifier, way, tmp_path):
    classifier.save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    found = WAYS[way](model)
    check_same(found, model)
    labels = model.predict(TEXTS)
    assert found.evaluate(TEXTS, labels) == model.evaluate(TEXTS, labels)
    assert {**found.artifact.metrics} == {**model.artifact.metrics}
    found.save(tmp_path / "again")
    for name in ("model.safetensors", "vocabulary.json", "metrics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


@pytest.mark.parametrize("way", WAYS)
def test_a_pipeline_does_the_same(kim, way):
    pipeline = Pipeline([("lower", FunctionTransformer(np.char.lower)), ("classifier", kim)])
    found = WAYS[way](pipeline)
    np.testing.assert_array_equal(found.predict_proba(np.array(NEW)), pipeline.predict_proba(np.array(NEW)))


@pytest.mark.parametrize("way", WAYS)
def test_training_goes_on_as_it_would_have(way):
    ours = one_class()
    found = WAYS[way](ours)
    for _ in range(2):
        for each in (ours, found):
            each.partial_fit(["a dull film", "splendid fun"], ["no", "yes"])
        check_same(found, ours)
        found = WAYS[way](found)
        check_same(found, ours)
    assert "splendid" in found.model_.artifact.words
    found.fit(TEXTS, LABELS)
    check_same(found, one_class())


@pytest.mark.parametrize("way", WAYS)
def test_before_fit(way):
    found = WAYS[way](TextCNNClassifier(**SMALL))
    with pytest.raises(DataError, match="X"):
        found.fit("a bare string", LABELS)
    assert not hasattr(found, "model_")
    check_same(found.fit(TEXTS, LABELS), one_class())


def test_what_is_made_of_the_weights_is_left_out(classifier, tmp_path):
    before = pickle.dumps(classifier)
    classifier.predict_proba(TEXTS * 100)  # as columns, which fills the tables
    for _ in range(40):
        classifier.predict_proba(NEW)  # few texts
    classifier.explain(NEW)
    after = pickle.dumps(classifier)
    assert len(after) == len(before)
    classifier.save(tmp_path / "model")
    saved = sum(path.stat().st_size for path in (tmp_path / "model").iterdir())
    assert len(after) < 1.1 * saved
    model = load_model(tmp_path / "model")
    assert len(pickle.dumps(model)) < 1.1 * saved


def test_where_a_model_was_loaded_from_is_not_told(kim, tmp_path):
    folder = tmp_path / "a-secret-place"
    kim.save(folder)
    model = load_model(folder)
    assert b"a-secret-place" not in pickle.dumps(model)
    model = load_model(folder)
    model.artifact.metrics.get("validation")
    assert b"a-secret-place" not in pickle.dumps(model)


def test_scores_that_are_damaged_are_told_when_they_are_pickled(kim, tmp_path):
    from textcnn.inference._saved_metrics import SavedMetrics

    with pytest.raises(ModelError, match="expected JSON"):
        pickle.dumps(SavedMetrics(b"{", tmp_path / "metrics.json", 2))


@pytest.mark.parametrize("target", [ONE_CLASS, SEVERAL_LABELS])
@pytest.mark.parametrize("way", WAYS)
def test_a_target_is_itself(target, way):
    assert WAYS[way](target) is target


def test_arrays_that_are_mapped_from_a_file(classifier, tmp_path):
    joblib.dump(classifier, tmp_path / "classifier.joblib")
    found = joblib.load(tmp_path / "classifier.joblib", mmap_mode="r")
    assert not found.model_.artifact.weights["convolution.weight"].flags.writeable
    check_same(found, classifier)
    ours = copy.deepcopy(classifier)
    for each in (found, ours):
        each.partial_fit(TEXTS[:4], classifier.predict(TEXTS[:4]))
    check_same(found, ours)


_OTHER = """
import pickle, sys, joblib
kind, path, out = sys.argv[1:]
with open(path, "rb") as file:
    found = joblib.load(file) if kind == "joblib" else pickle.load(file)
texts = {texts!r}
probabilities = found.predict_proba(texts)
if hasattr(found, "partial_fit"):
    assert found.score({all!r}, {labels!r}) == 1.0
else:  # a model needs no torch
    assert not {{"torch", "sklearn.base"}} & {{*sys.modules}}, "imported"
probabilities.tofile(out)
"""


@pytest.mark.parametrize("what", ["classifier", "model"])
@pytest.mark.parametrize("kind", ["pickle", "joblib", "cloudpickle"])
def test_another_process_does_the_same(kim, kind, what, tmp_path):
    value = kim if what == "classifier" else kim.model_
    if kind == "joblib":
        joblib.dump(value, tmp_path / "file")
    else:
        module = pickle if kind == "pickle" else pytest.importorskip("cloudpickle")
        (tmp_path / "file").write_bytes(module.dumps(value))
    code = _OTHER.format(texts=NEW, all=TEXTS, labels=LABELS.tolist())
    if kind == "joblib":
        code = code.replace('"torch", "sklearn.base"', '"torch"')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, kind, str(tmp_path / "file"), str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = np.fromfile(tmp_path / "out", np.float32).reshape(len(NEW), 2)
    np.testing.assert_array_equal(found, kim.predict_proba(NEW))


def test_a_pipeline_searches_in_parallel():
    from sklearn.model_selection import cross_val_score

    pipeline = make_pipeline(TextCNNClassifier(**SMALL))
    scores = cross_val_score(pipeline, TEXTS, LABELS, cv=2, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(pipeline, TEXTS, LABELS, cv=2))
