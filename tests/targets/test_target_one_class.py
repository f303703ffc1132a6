import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from textcnn.metrics import evaluate
from textcnn.targets import ONE_CLASS, TARGETS, target_of


def random_probabilities(seed, texts=40, classes=3):
    raw = np.random.default_rng(seed).random((texts, classes)).astype(np.float32) + 0.01
    return raw / raw.sum(axis=1, keepdims=True)


def test_it_is_found_by_its_labels_and_its_name():
    assert target_of(np.array([0, 1])) is ONE_CLASS
    assert TARGETS["class"] is ONE_CLASS


@given(st.integers(0, 100), st.lists(st.one_of(st.none(), st.just(0.0), st.floats(1e-9, 1)), min_size=3, max_size=3))
def test_thresholds_decide_as_a_loop_over_texts_does(seed, limits):
    probabilities = random_probabilities(seed)
    thresholds = np.array([np.nan if limit is None else limit for limit in limits])

    def wanted(row):
        reached = [
            (float(row[k]) / t if t else np.inf, -k) for k, t in enumerate(limits) if t is not None and row[k] >= t
        ]
        if reached:
            return -max(reached)[1]
        free = [(row[k], -k) for k, t in enumerate(limits) if t is None]
        return -max(free)[1] if free else -1

    decided = ONE_CLASS.decide(probabilities, thresholds)
    for row, found in zip(probabilities, decided.tolist(), strict=True):
        assert found == wanted(row)


def test_a_threshold_of_a_half_or_none_is_the_most_probable_of_two():
    two = random_probabilities(3, classes=2)
    expected = two.argmax(axis=1)
    np.testing.assert_array_equal(ONE_CLASS.decide(two), expected)
    np.testing.assert_array_equal(ONE_CLASS.decide(two, np.array([np.nan, 0.5])), expected)
    np.testing.assert_array_equal(ONE_CLASS.decide(two, np.array([np.nan, np.nan])), expected)


def test_logits_have_the_probabilities():
    probabilities = random_probabilities(1)
    np.testing.assert_allclose(ONE_CLASS.probabilities(ONE_CLASS.logits(probabilities), 1.0), probabilities, rtol=1e-5)


def test_likelihoods_and_losses_are_the_log_loss():
    probabilities, labels = random_probabilities(2), np.arange(40) % 3
    figures = evaluate(labels, probabilities, "abc")
    assert -ONE_CLASS.log_likelihoods(labels, probabilities).mean() == pytest.approx(figures["log_loss"])
    logits = torch.from_numpy(ONE_CLASS.logits(probabilities))
    losses = ONE_CLASS.losses(logits, torch.from_numpy(labels), None)
    assert losses.mean().item() == pytest.approx(figures["log_loss"], rel=1e-5)
    doubled = ONE_CLASS.losses(logits, torch.from_numpy(labels), torch.full((40,), 2.0))
    torch.testing.assert_close(doubled, 2 * losses)


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.array([0, 0, 0, 1, 2, 2])
    np.testing.assert_allclose(ONE_CLASS.loss_weights(labels, "balanced", 3), compute_sample_weight("balanced", labels))
    np.testing.assert_array_equal(ONE_CLASS.loss_weights(labels, (1.0, 5.0, 2.0), 3), [1, 1, 1, 5, 2, 2])
    assert ONE_CLASS.loss_weights(labels, None, 3) is None


def test_names():
    labels = np.array([1, 0])
    assert ONE_CLASS.named(labels, np.array(["a", "b"])).tolist() == ["b", "a"]
    assert ONE_CLASS.shown_as(labels, ["a", "b"]) == ["b", "a"]
    assert ONE_CLASS.counts(labels, 3).tolist() == [1, 1, 0]
