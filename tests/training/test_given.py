import re

import numpy as np
import pyarrow as pa
import pytest

from textcnn.errors import DataError
from textcnn.training.given import taught_texts

TEXTS = pa.chunked_array([["a", "b", "c"]])
ROWS = [[0.25, 0.75], [1, 0], [0.5, 0.5]]


def test_classes_are_sorted_with_their_columns():
    found = taught_texts(TEXTS, ROWS, ["good", "bad"], None)
    assert found.classes.tolist() == ["bad", "good"]
    np.testing.assert_allclose(found.soft.probabilities, [[0.75, 0.25], [0, 1], [0.5, 0.5]])
    assert found.labelled.labels.tolist() == [0, 1, 0]
    assert not found.gold


def test_labels_of_some_texts():
    groups, weights = np.array([5, 6, 7]), np.array([1.0, 2.0, 3.0])
    rows = [[0.25, 0.75], [np.nan, np.nan], [0.5, 0.5]]
    found = taught_texts(TEXTS, rows, ["bad", "good"], [None, "good", "bad"], groups=groups, weights=weights)
    assert found.gold
    assert found.labelled.texts.to_pylist() == ["b", "c"]
    assert found.labelled.labels.tolist() == [1, 0]
    assert found.labelled.groups.tolist() == [6, 7]
    assert found.labelled.weights.tolist() == [2, 3]
    assert found.soft.texts.to_pylist() == ["a", "c"]
    assert found.soft.weights.tolist() == [1, 3]


def test_several_labels_of_some_texts():
    found = taught_texts(TEXTS, [[0.9, 0.8], [0.1, 0], [0, 1]], ["x", "y"], [["x", "y"], [], None])
    assert found.labelled.labels.tolist() == [[True, True], [False, False]]
    assert len(found.soft) == 3


@pytest.mark.parametrize(
    ("rows", "classes", "labels", "message"),
    [
        (ROWS, ["a", "a"], None, "classes: expected two distinct classes or more, found ['a', 'a']"),
        (ROWS, ["a", "b", "c"], None, "y: expected probabilities of 3 texts and 3 classes, found the shape (3, 2)"),
        (
            ["a", "b", "c"],
            ["a", "b"],
            None,
            "y: expected probabilities beside classes, found other values; give labels alone",
        ),
        (
            [[0.5, 0.5], [0.5, 0.6], [1, 0]],
            ["a", "b"],
            None,
            "y: expected probabilities that sum to 1, found 1.1 in row 1; give the probability of every class",
        ),
        (
            [[0.5, 0.5], [np.nan, np.nan], [1, 0]],
            ["a", "b"],
            None,
            "y: expected probabilities of each text without a label, found none in row 1",
        ),
        (
            [[0.5, 0.5], [np.nan, np.nan], [1, 0]],
            ["a", "b"],
            ["a", None, None],
            "y: expected probabilities of each text without a label, found none in row 1",
        ),
        (
            [[0.5, 0.5], [np.nan, 1], [1, 0]],
            ["a", "b"],
            None,
            "y: expected probabilities from 0 to 1, found no number in row 1; correct it",
        ),
        (
            ROWS,
            ["a", "b"],
            ["a"],
            "labels: expected one for each of the 3 texts, None where there is none, found 1",
        ),
        (ROWS, ["a", "b"], ["a", "c", None], "labels: expected labels seen in training ('a', 'b'), found 'c'"),
    ],
)
def test_what_is_wrong_is_said(rows, classes, labels, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        taught_texts(TEXTS, rows, classes, labels)
