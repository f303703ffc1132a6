import itertools
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.audit._near_duplicates import near_pairs
from textcnn.text.tokens import Encoded, offsets_of

words = st.lists(st.integers(2, 14), max_size=12)


def encoded(texts):
    return Encoded(np.array([i for text in texts for i in text], np.int32), offsets_of(np.array([*map(len, texts)])))


def brute_force(texts, labels, least):
    found = {}
    for (i, a), (j, b) in itertools.combinations(enumerate(map(set, texts)), 2):
        if labels[i] != labels[j] and a | b and len(a & b) / len(a | b) >= least - 1e-9:
            found[i, j] = len(a & b) / len(a | b)
    return found


@given(st.lists(st.tuples(words, st.integers(0, 2)), min_size=1, max_size=25), st.sampled_from([0.5, 0.7, 0.8, 1.0]))
@settings(max_examples=200)
def test_all_pairs_and_no_others(rows, least):
    texts, labels = [text for text, _ in rows], np.array([label for _, label in rows])
    one, other, similarity = near_pairs(encoded(texts), labels, least)
    pairs = list(zip(one.tolist(), other.tolist(), strict=True))
    assert len({*pairs}) == len(pairs)
    assert dict(zip(pairs, similarity.tolist(), strict=True)) == brute_force(texts, labels, least)


def test_long_texts_and_blocks(monkeypatch):
    """Long texts must share several rare words; texts and pairs come in blocks."""
    monkeypatch.setattr("textcnn.audit._near_duplicates._BLOCK", 7)
    monkeypatch.setattr("textcnn.audit._near_duplicates._COMPARED", 5)
    generator = np.random.default_rng(0)
    texts = []
    for _ in range(12):
        text = generator.choice(400, size=generator.integers(5, 150), replace=False) + 2
        for share in (0.02, 0.04, 0.06, 0.1):
            changed = text.copy()
            rows = generator.permutation(len(text))[: int(share * len(text))]
            changed[rows] = generator.integers(2, 402, size=len(rows))
            texts.append(changed.tolist())
    labels = generator.integers(0, 3, size=len(texts))
    one, other, _ = near_pairs(encoded(texts), labels, 0.8)
    expected = brute_force(texts, labels, 0.8)
    assert {*zip(one.tolist(), other.tolist(), strict=True)} == {*expected}
    assert len(expected) > 10


def test_many_texts_take_seconds():
    generator = np.random.default_rng(0)
    lengths = generator.integers(5, 30, size=20_000)
    ids = np.minimum(generator.zipf(1.3, size=lengths.sum()), 50_000).astype(np.int32) + 2
    begin = time.perf_counter()
    near_pairs(Encoded(ids, offsets_of(lengths)), generator.integers(0, 2, size=20_000), 0.8)
    assert time.perf_counter() - begin < 30
