import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from textcnn.nn.bag import NgramBag
from textcnn.text.ngrams import collect_ngrams
from textcnn.text.tokens import Encoded, offsets_of
from textcnn.training._batching import Examples
from textcnn.training._linear import STRENGTH, features, solve, solve_once

V = 30


def corpus(classes, texts=120, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 9, size=texts)
    ids = generator.integers(1, V, size=lengths.sum()).astype(np.int32)
    return Encoded(ids, offsets_of(lengths)), generator.integers(0, classes, size=texts)


def bag_of(texts, labels, classes, order=2):
    keys, factors = collect_ngrams(texts, labels, classes=classes, order=order, vocabulary_size=V)
    return NgramBag(torch.from_numpy(keys), torch.from_numpy(factors), order=order, vocabulary_size=V, classes=classes)


def test_features_are_those_of_the_bag():
    texts, labels = corpus(3)
    bag = bag_of(texts, labels, 3)
    with torch.no_grad():
        bag.weight.normal_(generator=torch.Generator().manual_seed(0))
        matches = bag.find(torch.from_numpy(texts.ids.astype(np.int64)), torch.from_numpy(texts.lengths))
        expected = bag(matches, len(texts.lengths)).numpy()
    found = 20 * (features(bag, texts) @ bag.weight.detach().numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert not found[texts.lengths == 0].any()


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_solution_is_scikit_learns(classes, weighted):
    texts, labels = corpus(classes)
    bag = bag_of(texts, labels, classes)
    weights = None
    if weighted:
        weights = np.random.default_rng(1).uniform(0.1, 2, len(labels))
        weights /= weights.mean()
    x = features(bag, texts)
    usual = LogisticRegression(C=STRENGTH, tol=1e-8, max_iter=10_000).fit(x, labels, sample_weight=weights)
    expected = usual.predict_log_proba(x)
    found = log_softmax(solve(bag, Examples(texts, labels), weights=weights).logits(texts), axis=1)
    np.testing.assert_allclose(found, expected, atol=5e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_as_weighted_copies_of_a_text(classes):
    texts, labels = corpus(classes)
    bag = bag_of(texts, labels, classes)
    wanted = np.random.default_rng(2).dirichlet(np.ones(classes), size=len(labels)).astype(np.float32)
    found = log_softmax(solve(bag, Examples(texts, labels, probabilities=wanted)).logits(texts), axis=1)
    x = features(bag, texts)
    copies = LogisticRegression(C=STRENGTH, tol=1e-8, max_iter=10_000).fit(
        scipy.sparse.vstack([x] * classes),
        np.repeat(np.arange(classes), len(labels)),
        sample_weight=wanted.T.ravel(),
    )
    np.testing.assert_allclose(found, copies.predict_log_proba(x), atol=5e-3)


def test_texts_without_words_and_a_missing_class():
    texts, labels = corpus(2)
    labels = np.zeros_like(labels)
    model = solve(bag_of(texts, labels, 2), Examples(texts, labels))
    assert np.isfinite(model.weights).all()
    assert model.bias[0] > model.bias[1]
    empty = Encoded(np.zeros(0, np.int32), np.zeros(4, np.int64))
    model = solve(bag_of(empty, np.array([0, 1, 1]), 2), Examples(empty, np.array([0, 1, 1])))
    assert model.weights.shape == (0, 2)
    assert model.bias[1] - model.bias[0] == pytest.approx(np.log(2), abs=1e-3)


def test_a_model_is_solved_once(monkeypatch):
    texts, labels = corpus(2)
    bag = bag_of(texts, labels, 2)
    memory = {}
    first = solve_once(bag, Examples(texts, labels), memory=memory)
    other = solve_once(bag, Examples(texts, 1 - labels), memory=memory)
    monkeypatch.setattr("textcnn.training._linear.solve", None)
    again = solve_once(bag, Examples(texts, labels), memory=memory)
    assert (again.weights == first.weights).all()
    assert (again.bias == first.bias).all()
    assert not (other.weights == first.weights).all()
