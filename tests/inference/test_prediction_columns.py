import numpy as np
import pyarrow as pa
import pytest

from textcnn.inference.decisions import Decisions
from textcnn.inference.prediction_columns import no_scores, prediction_columns
from textcnn.inference.predictor import Scores
from textcnn.targets import SEVERAL_LABELS
from textcnn.text.columns import strings

PROBABILITIES = np.array([[0.25, 0.5, 0.25], [0.1234567, 0.0000004, 0.8765429], [0.4, 0.2, 0.4]], np.float32)
SCORES = Scores(PROBABILITIES, tokens=np.array([3, 0, 2]), known=np.array([1, 0, 0]))
NOTES = ["", "empty", "unknown"]


def lists(columns):
    return {name: column.to_pylist() for name, column in columns.items()}


def test_one_class():
    assert lists(prediction_columns(Decisions(["a", "b", "c"]), SCORES)) == {
        "prediction": ["b", "c", "a"],
        "probability": [0.5, 0.876543, 0.4],
        "note": NOTES,
    }


def test_every_option_of_one_class():
    found = prediction_columns(Decisions(["a", "b", "c"], top_k=2, min_confidence=0.45, proba=True), SCORES)
    assert lists(found) == {
        "prediction": ["b", "c", None],
        "probability": [0.5, 0.876543, 0.4],
        "prediction_2": ["a", "a", "c"],
        "probability_2": [0.25, 0.123457, 0.4],
        "probability:a": [0.25, 0.123457, 0.4],
        "probability:b": [0.5, 0.0, 0.2],
        "probability:c": [0.25, 0.876543, 0.4],
        "note": NOTES,
    }


def test_several_labels():
    decisions = Decisions(["a", "b", "c"], target=SEVERAL_LABELS, thresholds=np.array([0.2, 0.6, 0.3]))
    assert lists(prediction_columns(decisions, SCORES)) == {
        "prediction": [["a"], ["c"], ["a", "c"]],
        "probability": [[0.25], [0.876543], [0.4, 0.4]],
        "note": NOTES,
    }


@pytest.mark.parametrize(
    ("classes", "kind"),
    [(["a", "b"], pa.string()), ([3, 7], pa.int64()), ([0.5, 2.0], pa.float64()), ([False, True], pa.bool_())],
)
@pytest.mark.parametrize("several", [False, True])
def test_labels_have_the_type_of_the_classes(classes, kind, several):
    given = {"target": SEVERAL_LABELS, "thresholds": np.array([0.5, 0.5])} if several else {}
    columns = prediction_columns(Decisions(classes, **given), no_scores(2))
    assert columns["prediction"].type == (pa.list_(kind) if several else kind)
    assert columns["probability"].type == (pa.list_(pa.float64()) if several else pa.float64())
    assert {len(column) for column in columns.values()} == {0}


def test_labels_as_they_are_written():
    found = prediction_columns(Decisions([3, 7, 9]), SCORES, strings(["three", "seven", "nine"]))
    assert found["prediction"].to_pylist() == ["seven", "nine", "three"]
