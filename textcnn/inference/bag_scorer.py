"""What the bag of n-grams adds to the logits, in numpy and compiled loops."""

from __future__ import annotations

import numpy as np

from textcnn.text.ngrams import SCALE, NgramIndex, known_words
from textcnn.text.tokens import Encoded


class BagScorer:
    """The n-grams that a model knows, with their weights for each class (`textcnn.text.ngrams`).

    Args:
        keys: numbers of the known n-grams, ascending, (G,) int64.
        factors: t, their inverse document frequencies, (G,) float32.
        weights: U, (G, K) float32.
        order: words in the longest n-gram.
        vocabulary_size: V, padding and the unknown word included.
    """

    def __init__(
        self, keys: np.ndarray, factors: np.ndarray, weights: np.ndarray, *, order: int, vocabulary_size: int
    ) -> None:
        self.factors = factors
        self.weights = weights
        self.index = NgramIndex(keys, order, vocabulary_size)

    def logits(self, texts: Encoded) -> np.ndarray:
        """Return the bag's part of the logits of N texts, (N, K) float32."""
        if self.index.table is not None:
            ids = known_words(texts.ids, self.index.vocabulary_size)
            return self.index.table.logits(ids, texts.offsets, factors=self.factors, weights=self.weights, scale=SCALE)
        rows, counts = self.index.find(texts)
        out = np.zeros((len(counts), self.weights.shape[1]), np.float32)
        some = np.flatnonzero(counts)
        if len(some):
            begins = (np.cumsum(counts) - counts)[some]
            factors = self.factors[rows]  # (M,)
            sums = np.add.reduceat(factors[:, None] * self.weights[rows], begins, axis=0)
            out[some] = sums * (SCALE / np.sqrt(np.add.reduceat(factors * factors, begins)))[:, None]
        return out
