import datasets
import numpy as np
import pyarrow as pa
import pytest

from textcnn.data import load_corpus
from textcnn.data.labelled import Labelled, concatenate, label_names


def labelled(texts, *, labels=None, groups=None, weights=None):
    column = pa.chunked_array([texts], pa.string())
    labels = np.zeros(len(texts), np.int64) if labels is None else np.array(labels)
    return Labelled(
        column,
        labels,
        None if groups is None else np.array(groups, np.int64),
        None if weights is None else np.array(weights, np.float64),
    )


def test_take():
    data = labelled(["a", "b", "c"], labels=[0, 1, 2], groups=[5, 6, 6], weights=[1, 2, 0.5])
    taken = data.take(np.array([2, 0]))
    assert len(taken) == 2
    assert taken.texts.to_pylist() == ["c", "a"]
    assert taken.labels.tolist() == [2, 0]
    assert taken.groups.tolist() == [6, 5]
    assert taken.weights.tolist() == [0.5, 1]
    plain = labelled(["a", "b"]).take(np.array([1]))
    assert plain.groups is plain.weights is None


def test_concatenate():
    joined = concatenate([labelled(["a", "b"], labels=[0, 1]), labelled(["c"], labels=[1])])
    assert joined.texts.to_pylist() == ["a", "b", "c"]
    assert joined.labels.tolist() == [0, 1, 1]
    assert joined.groups is joined.weights is None


def test_concatenated_groups_stay_distinct():
    parts = [labelled(["a", "b"], groups=[0, 0]), labelled(["c", "d"]), labelled([], groups=[]), labelled(["e"])]
    assert concatenate(parts).groups.tolist() == [0, 0, 1, 2, 3]


def test_concatenated_weights_are_1_where_there_are_none():
    parts = [labelled(["a"]), labelled(["b", "c"], weights=[2, 0.5]), labelled(["d"])]
    weights = concatenate(parts).weights
    assert weights.tolist() == [1, 2, 0.5, 1]
    assert weights.dtype == np.float64


@pytest.mark.parametrize("grouped", [True, False])
def test_from_dataset(grouped):
    columns = {"text": ["a", "b"], "label": [1, 0], "topic": ["x", "y"]} | ({"sentence": [3, 3]} if grouped else {})
    data = Labelled.from_dataset(datasets.Dataset.from_dict(columns))
    assert data.texts.to_pylist() == ["a", "b"]
    assert (data.labels.tolist(), data.labels.dtype) == ([1, 0], np.int64)
    assert (None if data.groups is None else data.groups.tolist()) == ([3, 3] if grouped else None)
    assert data.weights is None


def test_label_names_are_in_the_order_of_their_ids():
    assert label_names(load_corpus("sample")) == ["negative", "positive"]
