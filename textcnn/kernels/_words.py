"""Words and n-grams to numbers."""

from __future__ import annotations

import sys

import numpy as np

from textcnn.kernels._loading import check, loops


def number_words(ids: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids in the order of their first places, (U,) int64, and which of them stands at each place.

    Args:
        ids: (N,) int32.
        numbers: scratch, zeros for each word of the vocabulary, (V,) int32; zeros again afterwards.
    """
    check(np.int32, ids, numbers)
    words, places = np.empty(len(ids), np.int64), np.empty(len(ids), np.int32)
    count = loops.number_words(ids, numbers, words, places, len(ids))
    return words[:count], places


class WordTable:
    """A vocabulary that compiled code looks words up in.

    Args:
        words: one after the other, UTF-8.
        offsets: of each in them, (W + 1,) int64.
    """

    def __init__(self, words: np.ndarray, offsets: np.ndarray) -> None:
        check(np.uint8, words)
        check(np.int64, offsets)
        self.words, self.offsets = words, offsets
        self.slots = np.zeros(1 << max(4, (2 * len(offsets)).bit_length()), np.int32)
        loops.hash_words(words, offsets, self.slots, len(offsets) - 1)

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
        """Texts to ids.

        Args:
            data: the texts one after the other, valid UTF-8.
            offsets: of each in them, (B + 1,) int64.
            kinds: what each character below len(kinds) is (`textcnn.text.encoding.easy_characters`), uint8; the others are difficult.
            lower: what each of them becomes, uint32.
            limit: read so many tokens of a text at most; None reads all.
            first_word: id of the first word.
            unknown: id of a word that is not there.

        Returns:
            Ids of the easy texts, one text after the other, int32; and how many ids each text has, (B,) int64, -1 for
            a text with a difficult character.
        """
        check(np.uint8, data, kinds)
        check(np.int64, offsets)
        check(np.uint32, lower)
        ids = np.empty(int(offsets[-1] - offsets[0]), np.int32)
        counts = np.empty(len(offsets), np.int64)  # and in the end how many ids there are
        most = sys.maxsize if limit is None else limit
        vocabulary = (self.words, self.offsets, self.slots)
        loops.encode_texts(
            data, offsets, kinds, lower, *vocabulary, ids, counts, len(offsets) - 1, most, first_word, unknown
        )
        return ids[: counts[-1]], counts[:-1]


class NgramTable:
    """N-grams that compiled code looks up.

    Args:
        keys: their numbers (`textcnn.text.ngrams`), distinct, (G,) int64.
        order: words of the longest.
        vocabulary_size: V.
        first_word: ids below it make no n-gram.
    """

    def __init__(self, keys: np.ndarray, *, order: int, vocabulary_size: int, first_word: int) -> None:
        check(np.int64, keys)
        self.keys = keys
        self.order = order
        self.slots = np.zeros(1 << max(4, (2 * len(keys)).bit_length()), np.int32)
        self._numbers = (order, vocabulary_size, first_word, len(keys))
        loops.hash_keys(keys, self.slots, len(keys))

    def find(self, ids: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The known n-grams of texts, each once a text.

        Args:
            ids: of words, (N,) int32.
            offsets: of the texts, (B + 1,) int64.

        Returns:
            Their places among the keys, one text after the other, (M,) int64, and how many each text has, (B,) int64.
        """
        check(np.int32, ids)
        check(np.int64, offsets)
        rows = np.empty(self.order * int(offsets[-1] - offsets[0]), np.int64)
        counts = np.empty(len(offsets), np.int64)  # and in the end all
        loops.find_ngrams(self.keys, self.slots, ids, offsets, rows, counts, *self._numbers, len(offsets) - 1)
        return rows[: counts[-1]], counts[:-1]

    def logits(
        self, ids: np.ndarray, offsets: np.ndarray, *, factors: np.ndarray, weights: np.ndarray, scale: int
    ) -> np.ndarray:
        """Of each text the sum of its n-grams' weights times t, scaled to the t's unit length times `scale`, (B, K).

        Args:
            ids: of words, (N,) int32.
            offsets: of the texts, (B + 1,) int64.
            factors: t, (G,).
            weights: (G, K).
            scale: a whole number.
        """
        check(np.int32, ids)
        check(np.int64, offsets)
        check(np.float32, factors, weights)
        logits = np.empty((len(offsets) - 1, weights.shape[1]), np.float32)
        arrays = (self.keys, self.slots, ids, offsets, factors, weights, logits)
        loops.ngram_logits(*arrays, *self._numbers, *logits.shape, scale)
        return logits
