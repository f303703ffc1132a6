from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.comparison import _f1, compare, mcnemar
from textcnn.errors import ConfigError, DataError
from textcnn.inference.predictor import Predictor
from textcnn.metrics import evaluate, macro_f1
from textcnn.targets import ONE_CLASS


class Fixed(Predictor):
    """A predictor of given probabilities, by text."""

    def __init__(self, classes, probabilities):
        self.target, self.artifact = ONE_CLASS, SimpleNamespace(thresholds=None)
        self.classes_ = np.array(classes)
        self.probabilities = np.asarray(probabilities, np.float32)

    def predict_proba(self, texts):
        return self.probabilities[[int(text) for text in texts.to_pylist()]]


def pair(size, seed=0, classes=("a", "b", "c")):
    generator = np.random.default_rng(seed)
    labels = np.array(classes)[generator.integers(len(classes), size=size)]
    return [Fixed(classes, generator.dirichlet(np.ones(len(classes)), size)) for _ in range(2)], labels


def numbers(size):
    return [str(i) for i in range(size)]


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_tail(one, other):
    few, discordant = min(one, other), one + other
    expected = 2 * sum(comb(discordant, i) for i in range(few + 1)) / 2**discordant
    assert mcnemar(one, other) == pytest.approx(min(1.0, expected))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
@settings(max_examples=50)
def test_the_fast_macro_f1_is_the_slow_one(rows):
    truth, predicted = np.array(rows).T
    (f1,) = _f1(truth, predicted, 4)
    assert f1 == pytest.approx(macro_f1(truth, predicted))


def test_figures_table_and_rows():
    (first, second), labels = pair(300)
    found = compare(first, second, numbers(300), labels)
    truth = np.searchsorted(first.classes_, labels)
    for figures, model in ((found.first, first), (found.second, second)):
        assert figures == evaluate(truth, model.probabilities, ["a", "b", "c"])
    right = [model.probabilities.argmax(axis=1) == truth for model in (first, second)]
    assert found.table.tolist() == [
        [(right[0] & right[1]).sum(), (right[0] & ~right[1]).sum()],
        [(~right[0] & right[1]).sum(), (~right[0] & ~right[1]).sum()],
    ]
    differ = first.probabilities.argmax(axis=1) != second.probabilities.argmax(axis=1)
    assert sorted(found.rows) == np.flatnonzero(differ).tolist()
    best = [np.sort(model.probabilities, axis=1) for model in (first, second)]
    surety = np.minimum(*(each[:, -1] - each[:, -2] for each in best))[found.rows]
    assert (np.diff(surety) <= 0).all()
    for name, difference in found.differences.items():
        assert difference.value == found.second[name] - found.first[name]
        assert difference.low < difference.value < difference.high


def test_the_interval_of_the_accuracy_is_that_of_a_paired_mean():
    (first, second), labels = pair(2000)
    found = compare(first, second, numbers(2000), labels).differences["accuracy"]
    right = [model.classes_[model.probabilities.argmax(axis=1)] == labels for model in (first, second)]
    error = np.std(right[1].astype(float) - right[0]) / np.sqrt(2000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_the_order_of_the_classes_does_not_matter():
    (first, second), labels = pair(50)
    turned = Fixed(["c", "a", "b"], second.probabilities[:, [2, 0, 1]])
    assert (
        compare(first, turned, numbers(50), labels).to_json() == compare(first, second, numbers(50), labels).to_json()
    )


def test_a_model_beside_itself():
    (model, _), labels = pair(40)
    found = compare(model, model, numbers(40), labels)
    assert (found.p_value, found.rows.size) == (1.0, 0)
    assert all((d.low, d.value, d.high) == (0, 0, 0) for d in found.differences.values())


def test_other_classes_are_refused():
    (first, _), labels = pair(10)
    other = Fixed(["a", "d"], np.ones((10, 2)) / 2)
    with pytest.raises(
        ConfigError, match="^expected two models of the same classes, found 'a', 'b', 'c' and 'a', 'd';"
    ):
        compare(first, other, numbers(10), labels)
    with pytest.raises(DataError, match="no texts"):
        compare(first, first, [], [])
    with pytest.raises(DataError, match="one label for each"):
        compare(first, first, numbers(10), np.ones((10, 3), bool))
