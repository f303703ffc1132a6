import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.metrics import (
    LEAST,
    MOST,
    calibration_error,
    confusion_matrix,
    doubt,
    evaluate,
    fit_temperature,
    log_loss,
    macro_f1,
    reliability,
    softmax,
    sparse_confusion,
)

TRUTH = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4]]
)


def test_figures_equal_those_by_hand():
    figures = evaluate(TRUTH, PROBABILITIES, ["a", "b", "c"])
    assert figures["examples"] == 6
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["majority"] == 0.5
    assert confusion_matrix(figures).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert figures["confusion"] == {
        "label": [0, 0, 1, 1, 2],
        "predicted": [0, 1, 0, 1, 2],
        "texts": [2, 1, 1, 1, 1],
    }
    assert figures["log_loss"] == pytest.approx(-sum(map(math.log, (0.7, 0.6, 0.2, 0.8, 0.4, 0.4))) / 6)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert figures["classes"][0] == {
        "name": "a",
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
        "support": 3,
    }


def test_a_class_that_never_occurs():
    figures = evaluate(np.array([0, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]), ["a", "b"])
    assert figures["accuracy"] == 1.0
    assert figures["classes"][1]["support"] == 0
    assert figures["macro_f1"] == macro_f1(np.array([0, 0]), np.array([0, 0])) == 1.0


def test_log_loss_of_a_certain_mistake_is_finite():
    assert math.isfinite(log_loss(np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32)))


def loss(logits, labels, temperature):
    return -np.log(softmax(logits.astype(np.float64), temperature)[np.arange(len(labels)), labels]).mean()


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 20))
def test_the_temperature_is_the_most_likely(seed, scale):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(80, 3))
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from softmax(logits)
    temperature = fit_temperature(logits * scale, labels)
    grid = np.geomspace(LEAST, MOST, 300)
    best = min(loss(logits * scale, labels, t) for t in grid)
    assert LEAST <= temperature <= MOST * (1 + 1e-9)
    assert loss(logits * scale, labels, temperature) <= best + 1e-6


def test_the_temperature_is_bounded():
    logits = np.tile([5.0, 0.0], (60, 1))
    assert fit_temperature(logits, np.zeros(60, int)) == pytest.approx(LEAST)
    assert fit_temperature(logits, np.ones(60, int)) == pytest.approx(MOST)


def test_too_few_texts_leave_the_temperature_at_1():
    assert fit_temperature(np.eye(2)[[0, 1] * 10], np.array([1, 0] * 10)) == 1


def test_probabilities_at_a_temperature():
    probabilities = softmax(np.array([[2.0, 0.0], [1000.0, -1000.0]], np.float32), 2)
    np.testing.assert_allclose(probabilities, [[1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))], [1, 0]], rtol=1e-6)
    assert probabilities.dtype == np.float32


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), max_size=60))
def test_reliability_and_calibration_error_equal_a_slow_loop(pairs):
    probabilities = np.array([[p, 1 - p] for p, _ in pairs]).reshape(-1, 2)
    labels = np.array([label for _, label in pairs], int)
    expected, error = [], 0.0
    for b in range(10):
        inside = [
            (max(row), int(row.argmax()) == label)
            for row, label in zip(probabilities, labels, strict=True)
            if int(max(row) * 10) == b or (b == 9 and max(row) == 1)
        ]
        if inside:
            confidence, accuracy = (sum(x[i] for x in inside) / len(inside) for i in (0, 1))
            expected.append({"count": len(inside), "confidence": confidence, "accuracy": accuracy})
            error += len(inside) * abs(confidence - accuracy)
    assert reliability(probabilities, labels) == [pytest.approx(b) for b in expected]
    assert calibration_error(probabilities, labels) == pytest.approx(error / max(len(pairs), 1))


@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40),
)
def test_the_confusions_are_the_cells_of_scikit_learns_matrix(pairs):
    from sklearn.metrics import confusion_matrix as reference

    truth, predicted = map(np.array, zip(*pairs, strict=True))
    figures = evaluate(truth, np.eye(5, dtype=np.float32)[predicted], list("abcde"))
    expected = reference(truth, predicted, labels=np.arange(5))
    np.testing.assert_array_equal(confusion_matrix(figures), expected)
    assert 0 not in figures["confusion"]["texts"]
    assert sparse_confusion(expected.tolist()) == figures["confusion"]


def test_a_model_that_has_learned_nothing_is_doubted():
    truth = np.arange(10) % 2
    right = np.where(np.arange(2) == truth[:, None], 0.9, 0.1)
    constant = np.tile([0.4, 0.6], (10, 1))
    wrong = np.where(np.arange(2) == truth[:, None] ^ (np.arange(10) > 2)[:, None], 0.999, 0.001)
    assert doubt(truth, right, ["no", "yes"]) is None
    assert doubt(truth, constant, ["no", "yes"]) == "the model predicts 'yes' for each of 10 texts"
    assert doubt(truth[:9], constant[:9], ["no", "yes"]) is None  # too few to tell
    assert doubt(truth * 0 + 1, constant, ["no", "yes"]) is None  # all texts are of it
    assert doubt(truth, wrong, ["no", "yes"]) == "the log-loss 4.84 is far above 0.69, that of equal probabilities"
    assert doubt(truth[:0], right[:0], ["no", "yes"]) is None


@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_the_figures_of_classes_are_those_of_scikit_learn(pairs):
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    truth, predicted = map(np.array, zip(*pairs, strict=True))
    figures = evaluate(truth, np.eye(6, dtype=np.float32)[predicted], list("abcdef"))
    assert figures["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    expected = precision_recall_fscore_support(truth, predicted, labels=np.arange(6), zero_division=0)
    for key, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose([row[key] for row in figures["classes"]], column, rtol=1e-12)
