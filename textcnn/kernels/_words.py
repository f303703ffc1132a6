"""Words and n-grams to numbers."""

from __future__ import annotations

import sys

import numpy as np

from textcnn.kernels._loading import loops


def number_words(ids: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct ids in order of first occurrence, (U,) int64, and which of them each id is, (N,) int32.

    Args:
        ids: (N,) int32, each below V.
        numbers: scratch, (V,) int32.
    """
    words, places = loops.number_words(ids, numbers)  # the last number of words is U
    return words[: words[-1]], places


class WordTable:
    """A vocabulary as the compiled loops look words up in it.

    Args:
        words: one after the other, UTF-8.
        offsets: of each in them, (W + 1,) int64.
    """

    def __init__(self, words: np.ndarray, offsets: np.ndarray) -> None:
        self.words, self.offsets = words, offsets
        self._table = loops.make_words(offsets, words)

    def __getstate__(self) -> tuple[np.ndarray, np.ndarray]:
        """Leave out what can be rebuilt."""
        return self.words, self.offsets

    def __setstate__(self, state: tuple[np.ndarray, np.ndarray]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def encode(
        self,
        data: np.ndarray,
        offsets: np.ndarray,
        kinds: np.ndarray,
        lower: np.ndarray,
        *,
        limit: int | None,
        first_word: int,
        unknown: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Map texts to ids.

        Args:
            data: the texts one after the other, UTF-8.
            offsets: of each in them, (B + 1,) int64.
            kinds: what each character below len(kinds) is (`textcnn.text.encoding.easy_characters`), uint8; the others
                are difficult.
            lower: what each of them becomes, uint32.
            limit: read at most this many tokens of a text; None reads all.
            first_word: id of the first word.
            unknown: id of a word that is not in the vocabulary.

        Returns:
            Ids of the easy texts, one text after the other, int32; and how many ids each text has, (B,) int64, -1 for
            a text with a difficult character or bytes that are not UTF-8.
        """
        most = sys.maxsize if limit is None else limit
        ids, counts = loops.encode_texts(self._table, data, offsets, kinds, lower, most, first_word, unknown)
        return ids[: counts[-1]], counts[:-1]


class NgramTable:
    """N-grams as the compiled loops look them up.

    Args:
        keys: their numbers (`textcnn.text.ngrams`), rising, (G,) int64.
        order: words of the longest.
        vocabulary_size: V; V ** order is below 2**63.
        first_word: ids below it make no n-gram.
    """

    def __init__(self, keys: np.ndarray, *, order: int, vocabulary_size: int, first_word: int) -> None:
        self._table = loops.make_ngrams(order, vocabulary_size, first_word, keys)

    def find(self, ids: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the known n-grams of texts, each once per text.

        Args:
            ids: of words, (N,) int32, each below V.
            offsets: of the texts, (B + 1,) int64.

        Returns:
            Their indices among the keys, one text after the other, (M,) int64, and how many each text has, (B,) int64.
        """
        rows, counts = loops.find_ngrams(self._table, ids, offsets)
        return rows[: counts[-1]], counts[:-1]

    def logits(
        self, ids: np.ndarray, offsets: np.ndarray, *, factors: np.ndarray, weights: np.ndarray, scale: float
    ) -> np.ndarray:
        """Return the sums of the n-grams' weights, (B, K), each times t, a text's t being scaled to the length `scale`.

        Args:
            ids: of words, (N,) int32, each below V.
            offsets: of the texts, (B + 1,) int64.
            factors: t, (G,).
            weights: (G, K).
            scale: a number.
        """
        return loops.ngram_logits(self._table, ids, offsets, factors, weights, scale)
