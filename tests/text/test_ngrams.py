import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn import TextCNNClassifier, kernels
from textcnn.inference.bag_scorer import BagScorer
from textcnn.text import ngrams
from textcnn.text.ngrams import SCALE, NgramIndex, collect_ngrams, words_of
from textcnn.text.tokens import Encoded

V = 9
TEXTS = st.lists(st.lists(st.integers(0, V - 1), max_size=8), max_size=6)


@pytest.fixture(params=["compiled", "plain"])
def form(request, monkeypatch):
    """Runs a test with the compiled loops and without."""
    if request.param == "plain":
        monkeypatch.setattr(kernels, "compiled", False)
    elif not kernels.compiled:
        pytest.skip("no compiled loops here")
    return request.param


def encoded(texts):
    ids = np.array([word for text in texts for word in text], np.int32)
    return Encoded(ids, np.cumsum([0, *map(len, texts)]))


def grams(text, order):
    """The distinct n-grams of a text as tuples, none with padding or an unknown word."""
    found = {tuple(text[i : i + n]) for n in range(1, order + 1) for i in range(len(text) - n + 1)}
    return {gram for gram in found if min(gram) >= 2}


def tuples(keys):
    return [tuple(words_of(int(key), V)) for key in keys]


def collected(texts, order, labels=None, **more):
    labels = np.arange(len(texts)) % 3 if labels is None else labels
    return collect_ngrams(encoded(texts), labels, classes=3, order=order, vocabulary_size=V, **more)


@given(TEXTS, st.integers(1, 3), st.sampled_from([1, 3, 1000]), st.integers(0, 2**32 - 1))
def test_collected_ngrams_with_their_factors(texts, order, chunk, seed):
    labels = np.random.default_rng(seed).integers(0, 3, len(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "CHUNK", chunk)
        keys, factors = collected(texts, order, labels)
    assert (np.diff(keys) > 0).all()
    assert (keys.dtype, factors.dtype) == (np.int64, np.float32)
    found = dict(zip(tuples(keys), factors.tolist(), strict=True))
    assert found == pytest.approx(_factors(texts, order, labels.tolist()), rel=1e-5)


def _factors(texts, order, labels):
    """Literally the formula of the module."""
    of = [grams(text, order) for text in texts]
    known = {gram for gram in set().union(*of) if len(gram) == 1 or sum(gram in own for own in of) > 1}
    counts = [
        {gram: 1 + sum(gram in own and label == k for own, label in zip(of, labels, strict=True)) for gram in known}
        for k in range(3)
    ]
    others = [
        {gram: 1 + sum(gram in own and label != k for own, label in zip(of, labels, strict=True)) for gram in known}
        for k in range(3)
    ]
    out = {}
    for gram in known:
        ratios = [
            math.log(counts[k][gram] / sum(counts[k].values())) - math.log(others[k][gram] / sum(others[k].values()))
            for k in range(3)
        ]
        idf = 1 + math.log(len(texts) / sum(gram in own for own in of))
        out[gram] = idf * math.sqrt(max(0.1, *map(abs, ratios)))
    return out


def test_the_most_frequent_are_kept():
    keys, _ = collected([[2, 3], [3, 2], [3, 4], [4, 5]], 1, most=2)
    assert tuples(keys) == [(2,), (3,)]  # 2 and 4 are in two texts each


@given(TEXTS, TEXTS, st.integers(1, 3))
def test_each_known_ngram_is_found_once_per_text(training, texts, order):
    keys, _ = collected(training, order)
    known = set(tuples(keys))
    expected = [sorted(grams(text, order) & known) for text in texts]
    for compiled in {False, kernels.compiled}:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "compiled", compiled)
            rows, counts = NgramIndex(keys, order, V).find(encoded(texts))
        found = [sorted(tuples(keys[part])) for part in np.split(rows, np.cumsum(counts)[:-1])] if texts else []
        assert found == expected
        assert len(counts) == len(texts)


@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_long_texts(order, seed):
    texts = [row.tolist() for row in np.random.default_rng(seed).integers(1, V, (3, 70))]
    keys, factors = collected(texts[:1], order)
    weights = np.random.default_rng(seed).normal(size=(len(keys), 2)).astype(np.float32)
    found = []
    for compiled in {False, kernels.compiled}:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "compiled", compiled)
            bag = BagScorer(keys, factors, weights, order=order, vocabulary_size=V)
            rows, counts = bag.index.find(encoded(texts))
            parts = [sorted(part.tolist()) for part in np.split(rows, np.cumsum(counts)[:-1])]
            found.append((parts, bag.logits(encoded(texts))))
    known = set(tuples(keys))
    assert [len(part) for part in found[0][0]] == [len(grams(text, order) & known) for text in texts]
    assert found[0][0] == found[-1][0]
    np.testing.assert_allclose(found[0][1], found[-1][1], rtol=1e-4, atol=1e-4)


def test_the_logits_are_the_scaled_sums(form):
    keys, factors = collected([[2, 3, 4], [3, 4, 5], [2, 5], [7]], 2)
    weights = np.random.default_rng(0).normal(size=(len(keys), 3)).astype(np.float32)
    bag = BagScorer(keys, factors, weights, order=2, vocabulary_size=V)
    texts = [[2, 3, 3, 4], [], [1, 8], [5, 2, 5, 2, 5, 3, 4, 5]]
    row_of = {gram: row for row, gram in enumerate(tuples(keys))}
    for text, found in zip(texts, bag.logits(encoded(texts)), strict=True):
        rows = [row_of[gram] for gram in grams(text, 2) if gram in row_of]
        length = math.sqrt(sum(float(factors[row]) ** 2 for row in rows))
        expected = sum((SCALE * float(factors[row]) / length * weights[row] for row in rows), np.zeros(3))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    copy = pickle.loads(pickle.dumps(bag))  # noqa: S301 (our own bytes)
    np.testing.assert_array_equal(copy.logits(encoded(texts)), bag.logits(encoded(texts)))


def test_no_texts_and_no_ngrams(form):
    bag = BagScorer(
        np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 2), np.float32), order=2, vocabulary_size=V
    )
    assert bag.logits(encoded([[2, 3], []])).tolist() == [[0, 0], [0, 0]]
    assert bag.logits(encoded([])).shape == (0, 2)


def test_numbers_that_would_not_be_distinct_are_refused(monkeypatch):
    from textcnn.errors import ConfigError
    from textcnn.training.pipeline import check_ngrams

    check_ngrams(2, 1 << 31)
    with pytest.raises(ConfigError, match="ngrams: expected 2 at most for a vocabulary of 2,097,152 words, found 3"):
        check_ngrams(3, 1 << 21)


def test_a_class_that_depends_on_pairs_of_words():
    """The convolution, with regions of one word, cannot see the order of two words."""
    texts = ["w a b w", "w b a w"] * 20
    labels = ["ab", "ba"] * 20
    settings = {"region_sizes": (1,), "feature_maps": 2, "dimension": 4, "max_epochs": 30, "patience": 30}
    with_bag = TextCNNClassifier(**settings, ngrams=2).fit(texts, labels)
    assert with_bag.score(texts, labels) == 1
    assert TextCNNClassifier(**settings, ngrams=1).fit(texts, labels).score(texts, labels) == 0.5
    assert len(with_bag.model_.artifact.weights["ngrams.keys"]) == 9  # w, a, b and their pairs
