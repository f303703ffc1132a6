"""MLflow saves, logs and loads classifiers and pipelines around them, with its files in a temporary folder."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from textcnn import TextCNNClassifier

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed: pip install mlflow-skinny")

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow about itself

TEXTS = ["a good film", "good fun for all", "a bad film", "bad jokes and no fun"] * 12
LABELS = np.array(["yes", "yes", "no", "no"] * 12)
SETS = [["good"], ["good", "fun"], ["bad"], ["bad", "fun"]] * 12
NEW = ["such fun", "not a good film", ""]
SMALL = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 3}
# Otherwise MLflow spends seconds on finding the requirements, and writes by skops, which knows none of our classes.
OPTIONS = {"pip_requirements": ["textcnn"], "serialization_format": "cloudpickle"}
FORMS = {
    "list": list,
    "array": np.array,
    "objects": lambda texts: np.array(texts, dtype=object),
    "Series": pd.Series,
    "DataFrame": lambda texts: pd.DataFrame({"text": texts}),
}


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())


@pytest.fixture(scope="module")
def classifier():
    return TextCNNClassifier(**SMALL).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def pipeline():
    steps = FunctionTransformer(np.char.lower), TextCNNClassifier(**SMALL)
    return make_pipeline(*steps).fit(np.array(TEXTS), LABELS)


@pytest.mark.parametrize("serialization", ["pickle", "cloudpickle"])
@pytest.mark.parametrize("what", ["classifier", "pipeline"])
def test_save_and_load(what, serialization, request):
    ours = request.getfixturevalue(what)
    mlflow.sklearn.save_model(ours, "saved", **{**OPTIONS, "serialization_format": serialization})
    found = mlflow.sklearn.load_model("saved")
    np.testing.assert_array_equal(found.predict_proba(np.array(NEW)), ours.predict_proba(np.array(NEW)))
    assert found.score(np.array(TEXTS), LABELS) == ours.score(np.array(TEXTS), LABELS) == 1.0
    assert mlflow.pyfunc.load_model("saved").predict(np.array(NEW)).tolist() == ours.predict(np.array(NEW)).tolist()


@pytest.mark.parametrize("what", ["classifier", "pipeline"])
def test_log_and_load(what, request):
    ours = request.getfixturevalue(what)
    with mlflow.start_run():
        mlflow.log_params(ours.get_params())
        logged = mlflow.sklearn.log_model(ours, name="model", **OPTIONS)
    found = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(found.predict_proba(np.array(NEW)), ours.predict_proba(np.array(NEW)))
    assert mlflow.pyfunc.load_model(logged.model_uri).predict(np.array(NEW)).shape == (3,)


@pytest.mark.parametrize("form", FORMS)
def test_texts_in_any_form(classifier, form):
    mlflow.sklearn.save_model(classifier, "saved", **OPTIONS)
    found = mlflow.pyfunc.load_model("saved").predict(FORMS[form](NEW))
    assert found.tolist() == classifier.predict(NEW).tolist()


@pytest.mark.parametrize("form", ["list", "DataFrame"])
def test_a_signature_from_an_example(classifier, form):
    mlflow.sklearn.save_model(classifier, "saved", input_example=FORMS[form](TEXTS[:2]), **OPTIONS)
    loaded = mlflow.pyfunc.load_model("saved")
    assert [str(column.type) for column in loaded.metadata.signature.inputs] == ["DataType.string"]
    assert loaded.predict(FORMS[form](NEW)).tolist() == classifier.predict(NEW).tolist()


def test_probabilities_of_a_model(classifier, tmp_path):
    mlflow.sklearn.save_model(classifier.model_, "saved", pyfunc_predict_fn="predict_proba", **OPTIONS)
    found = mlflow.pyfunc.load_model("saved").predict(NEW)
    np.testing.assert_array_equal(found, classifier.predict_proba(NEW))


def test_several_labels():
    ours = TextCNNClassifier(**SMALL).fit(TEXTS, SETS)
    mlflow.sklearn.save_model(ours, "saved", **OPTIONS)
    assert mlflow.pyfunc.load_model("saved").predict(TEXTS) == ours.predict(TEXTS)
    assert mlflow.sklearn.load_model("saved").score(TEXTS, SETS) == ours.score(TEXTS, SETS)


def test_after_partial_fit():
    ours = TextCNNClassifier(**SMALL).fit(TEXTS, LABELS)
    ours.partial_fit(["splendid fun"], ["yes"])
    mlflow.sklearn.save_model(ours, "saved", **OPTIONS)
    found = mlflow.sklearn.load_model("saved")
    for each in (ours, found):
        each.partial_fit(["a dull film"], ["no"])
    np.testing.assert_array_equal(found.predict_proba(NEW), ours.predict_proba(NEW))


_OTHER = """
import warnings; warnings.simplefilter("ignore")
import mlflow.pyfunc
print(*mlflow.pyfunc.load_model("saved").predict({texts!r}))
"""


def test_another_process_with_the_requirements_that_mlflow_finds(classifier, tmp_path):
    mlflow.sklearn.save_model(classifier, "saved", serialization_format="cloudpickle")
    requirements = (tmp_path / "saved" / "requirements.txt").read_text()
    assert "textcnn==" in requirements
    assert "scikit-learn==" in requirements
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _OTHER.format(texts=NEW)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == classifier.predict(NEW).tolist()
