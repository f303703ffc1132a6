import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    label_ranking_loss,
    log_loss,
    precision_score,
)
from sklearn.preprocessing import MultiLabelBinarizer

from textcnn.targets import SEVERAL_LABELS, TARGETS, target_of
from textcnn.targets._several_labels import ENOUGH

NAMES = ["a", "b", "c", "d"]


def random_case(seed, texts=60, classes=4):
    generator = np.random.default_rng(seed)
    labels = generator.random((texts, classes)) < generator.random(classes)
    probabilities = np.clip(generator.random((texts, classes)) * 0.7 + 0.3 * labels, 0.01, 0.99).astype(np.float32)
    return labels, probabilities


def test_it_is_found_by_its_labels_and_its_name():
    assert target_of(np.zeros((3, 2), bool)) is SEVERAL_LABELS
    assert TARGETS["labels"] is SEVERAL_LABELS


def test_figures_are_those_of_scikit_learn():
    labels, probabilities = random_case(0)
    labels[:5] = False  # texts without labels
    limits = np.array([0.3, 0.5, 0.6, 0.4])
    predicted = probabilities >= limits
    figures = SEVERAL_LABELS.evaluate(labels, probabilities, NAMES, limits)
    for average in ("micro", "macro"):
        assert figures[f"{average}_f1"] == pytest.approx(f1_score(labels, predicted, average=average))
    assert figures["samples_f1"] == pytest.approx(f1_score(labels, predicted, average="samples", zero_division=1))
    assert figures["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert figures["average_precision"] == pytest.approx(average_precision_score(labels, probabilities))
    assert figures["ranking_loss"] == pytest.approx(label_ranking_loss(labels, probabilities))
    loss = sum(log_loss(labels[:, k], probabilities[:, k], labels=[False, True]) for k in range(4))
    assert figures["log_loss"] == pytest.approx(loss, rel=1e-5)
    assert figures["cardinality"] == labels.sum() / len(labels)
    assert figures["unlabelled"] == (labels.sum(axis=1) == 0).sum()
    for k, row in enumerate(figures["classes"]):
        assert row["precision"] == pytest.approx(precision_score(labels[:, k], predicted[:, k]))
        assert (row["name"], row["support"], row["threshold"]) == (NAMES[k], labels[:, k].sum(), limits[k])


def test_figures_of_labels_that_all_texts_have_or_none():
    labels, probabilities = random_case(1)
    labels[:, 0], labels[:, 1] = True, False
    figures = SEVERAL_LABELS.evaluate(labels, probabilities, NAMES)
    assert [row["average_precision"] is None for row in figures["classes"]] == [True, True, False, False]
    assert figures["average_precision"] == pytest.approx(average_precision_score(labels[:, 2:], probabilities[:, 2:]))
    none = SEVERAL_LABELS.evaluate(np.zeros((3, 4), bool), np.full((3, 4), 0.1), NAMES)
    assert (none["average_precision"], none["accuracy"], none["samples_f1"], none["micro_f1"]) == (None, 1, 1, 0)


@given(st.integers(0, 1000))
def test_what_is_monitored_is_in_the_figures_at_a_half(seed):
    labels, probabilities = random_case(seed)
    figures = SEVERAL_LABELS.evaluate(labels, probabilities, NAMES)
    monitored = SEVERAL_LABELS.monitored(labels, probabilities)
    assert monitored["loss"] == pytest.approx(figures["log_loss"])
    for name in ("accuracy", "macro_f1", "micro_f1"):
        assert monitored[name] == pytest.approx(figures[name])


@given(st.integers(0, 200), st.integers(2, 60))
def test_thresholds_have_the_largest_f1_of_all(seed, texts):
    labels, probabilities = random_case(seed, texts=texts)
    probabilities = probabilities.round(1)  # with ties
    found = SEVERAL_LABELS.fit_thresholds(labels, probabilities)
    assert ((found > 0) & (found <= 1)).all()
    tried = np.unique(np.concatenate([probabilities.ravel(), [1.0]]))
    having = labels.sum(axis=0)
    for k in range(4):
        if ENOUGH <= having[k] <= texts - ENOUGH:
            best = max(f1_score(labels[:, k], probabilities[:, k] >= t, zero_division=0) for t in tried)
            assert f1_score(labels[:, k], probabilities[:, k] >= found[k]) == pytest.approx(best)
        else:
            best = max(f1_score(labels.ravel(), (probabilities >= t).ravel(), zero_division=0) for t in tried)
            common = f1_score(labels.ravel(), (probabilities >= found[k]).ravel(), zero_division=0)
            assert common == pytest.approx(best)


def test_a_temperature_makes_each_label_likelier():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 3)).astype(np.float32)
    labels = generator.random(logits.shape) < 1 / (1 + np.exp(-logits))
    labels[:, 2] = False
    labels[0, 2] = True  # too few to say
    found = SEVERAL_LABELS.fit_temperature(logits * [3, 1, 1], labels)
    np.testing.assert_allclose(found, [3, 1, 1], rtol=0.15)
    assert found[2] == 1
    assert (SEVERAL_LABELS.fit_temperature(logits[:40], labels[:40]) == 1).all()


def test_probabilities_and_logits():
    logits = np.array([[0.0, 100, -100, 2]], np.float32)
    probabilities = SEVERAL_LABELS.probabilities(logits, np.array([1, 1, 1, 2.0]))
    np.testing.assert_allclose(probabilities, [[0.5, 1, 0, 1 / (1 + np.exp(-1))]], atol=1e-7)
    assert probabilities.dtype == np.float32
    usual = np.array([[-3, 0.5, 2, 1]], np.float32)
    np.testing.assert_allclose(SEVERAL_LABELS.logits(SEVERAL_LABELS.probabilities(usual, 1.0)), usual, rtol=1e-4)


def test_losses_are_sums_over_labels():
    labels, probabilities = random_case(2)
    logits = torch.from_numpy(SEVERAL_LABELS.logits(probabilities))
    losses = SEVERAL_LABELS.losses(logits, torch.from_numpy(labels), None)
    np.testing.assert_allclose(losses.numpy(), -SEVERAL_LABELS.log_likelihoods(labels, probabilities), rtol=1e-4)
    weights = torch.full((60, 1), 3.0)
    torch.testing.assert_close(SEVERAL_LABELS.losses(logits, torch.from_numpy(labels), weights), 3 * losses)


def test_weights_of_labels():
    labels = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], bool)
    balanced = SEVERAL_LABELS.loss_weights(labels, "balanced", 2)
    for k in range(2):
        assert balanced[labels[:, k], k].sum() == pytest.approx(balanced[~labels[:, k], k].sum()) == pytest.approx(2)
    np.testing.assert_array_equal(SEVERAL_LABELS.loss_weights(labels, (2.0, 5.0), 2), [[2, 1], [2, 5], [2, 1], [1, 1]])
    assert SEVERAL_LABELS.loss_weights(labels, None, 2) is None


def test_the_first_bias_gives_each_label_its_share():
    labels, _ = random_case(3, texts=2000)
    probabilities = SEVERAL_LABELS.probabilities(SEVERAL_LABELS.initial_bias(labels)[None], 1.0)
    np.testing.assert_allclose(probabilities[0], labels.mean(axis=0), atol=1e-3)


def test_names_are_those_of_a_binarizer():
    labels, _ = random_case(4)
    binarizer = MultiLabelBinarizer(classes=NAMES).fit([])
    named = SEVERAL_LABELS.named(labels, np.array(NAMES))
    assert [tuple(own) for own in named] == binarizer.inverse_transform(labels.astype(int))
    np.testing.assert_array_equal(binarizer.transform(named), labels)
    assert SEVERAL_LABELS.shown_as(np.array([[True, False, True, False], [False] * 4]), NAMES) == ["a, c", "no label"]


def test_doubts():
    labels, probabilities = random_case(5)
    assert SEVERAL_LABELS.doubt(labels, probabilities, NAMES) is None
    same = np.tile(np.float32([0.9, 0.1, 0.1, 0.1]), (60, 1))
    assert SEVERAL_LABELS.doubt(labels, same, NAMES) == "the model predicts a for each of 60 texts"
    assert SEVERAL_LABELS.doubt(labels, same, NAMES, np.full(4, 0.95)) == (
        "the model predicts no label for each of 60 texts"
    )
    assert SEVERAL_LABELS.doubt(labels[:9], same[:9], NAMES) is None
    assert SEVERAL_LABELS.doubt(np.repeat(labels[:1], 60, axis=0), same, NAMES) is None


@given(
    cases=st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), *[st.sampled_from([0.0, 0.2, 0.5, 0.5, 0.9, 1.0])] * 3),
        min_size=2,
        max_size=30,
    )
)
def test_figures_of_equal_probabilities_are_those_of_scikit_learn(cases):
    labels = np.array([case[:3] for case in cases])
    probabilities = np.array([case[3:] for case in cases], np.float32)
    predicted = probabilities >= 0.5
    figures = SEVERAL_LABELS.evaluate(labels, probabilities, NAMES[:3])
    assert figures["ranking_loss"] == pytest.approx(label_ranking_loss(labels, probabilities))
    assert figures["samples_f1"] == pytest.approx(f1_score(labels, predicted, average="samples", zero_division=1))
    for k, row in enumerate(figures["classes"]):
        truth = labels[:, k]
        assert row["f1"] == pytest.approx(f1_score(truth, predicted[:, k], zero_division=0))
        if row["average_precision"] is not None:
            assert row["average_precision"] == pytest.approx(average_precision_score(truth, probabilities[:, k]))
