"""The bag's part of an explanation: each n-gram's part of the logits, shared evenly by the words it is found in."""

from __future__ import annotations

import numpy as np

from textcnn.explain.results import Features
from textcnn.inference.bag_scorer import BagScorer
from textcnn.text.ngrams import SCALE, words_of
from textcnn.text.tokens import Encoded


def bag_parts(bag: BagScorer, ids: np.ndarray) -> tuple[np.ndarray, Features]:
    """Return what the known n-grams of one text add to its logits.

    Args:
        bag: the n-grams with their weights.
        ids: the text's word ids, (L,) int32.

    Returns:
        The words' parts, (L, K): an n-gram's part is shared evenly by its occurrences, and by the words of each.
        And the n-grams as features, each at its first occurrence.
    """
    rows, _ = bag.index.find(Encoded(ids, np.array([0, len(ids)])))
    t = bag.factors[rows].astype(np.float64)  # (M,)
    parts = SCALE * t[:, None] * bag.weights[rows] / (np.linalg.norm(t) or 1)  # (M, K)
    word_parts = np.zeros((len(ids), parts.shape[1]))
    begin, end = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for number, (row, part) in enumerate(zip(rows, parts, strict=True)):
        gram = words_of(int(bag.index.keys[row]), bag.index.vocabulary_size)
        first = occurrences(ids, gram)
        words = (first[:, None] + np.arange(len(gram))).ravel()
        np.add.at(word_parts, words, part / len(words))
        begin[number], end[number] = first[0], first[0] + len(gram)
    none = np.zeros(len(rows), np.int64)
    return word_parts, Features(begin, end, none, none - 1, np.ones(len(rows)), parts)


def occurrences(ids: np.ndarray, gram: list[int]) -> np.ndarray:
    """Return the index of the first word of each occurrence of an n-gram in a text."""
    last = len(ids) - len(gram) + 1
    here = np.ones(max(last, 0), bool)
    for j, word in enumerate(gram):
        here &= ids[j : j + last] == word
    return np.flatnonzero(here)
