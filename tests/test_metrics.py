import math

import numpy as np
import pytest

from textcnn.metrics import evaluate, log_loss, macro_f1

TRUTH = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4]]
)


def test_figures_by_hand():
    figures = evaluate(TRUTH, PROBABILITIES, ["a", "b", "c"])
    assert figures["examples"] == 6
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["majority"] == 0.5
    assert figures["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
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
