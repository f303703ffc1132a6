"""Tokens and ids of many texts: one flat array, and offsets where each text begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

_AT_ONCE = 64  # words whose rows are gathered together, so that these stay in the cache


@dataclass(frozen=True)
class Token:
    """A token and its position: it comes from `original[start:end]`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Tokens:
    """The tokens of N texts: text n has `words[offsets[n]:offsets[n + 1]]`.

    With `continued` the first of them are further tokens of the last text before: a long text comes in pieces.
    """

    words: pa.Array
    offsets: np.ndarray
    continued: bool = False

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens per text, (N,)."""
        return self.offsets[1:] - self.offsets[:-1]


@dataclass(frozen=True)
class Ngrams:
    """The character n-grams of W words that have a row (`textcnn.text.subwords`).

    Attributes:
        rows: Of their table; word w has `rows[offsets[w]:offsets[w + 1]]`, (M,) int32.
        offsets: (W + 1,) int64.
        counts: Number of all n-grams of each word, those without a row included, (W,).
    """

    rows: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray

    def take(self, words: np.ndarray) -> Ngrams:
        """Return the n-grams of the words at the given indices, (U,), in their order."""
        lengths = self.offsets[words + 1] - self.offsets[words]
        places = np.repeat(self.offsets[words], lengths) + run_positions(lengths)
        return Ngrams(self.rows[places], offsets_of(lengths), self.counts[words])

    def sums(self, table: np.ndarray) -> np.ndarray:
        """Return what words have from their n-grams, (W, D): the sums of their rows over the root of `counts`.

        Args:
            table: All rows, (B, D).
        """
        out = np.zeros((len(self.counts), table.shape[1]), np.float32)
        some = np.flatnonzero(np.diff(self.offsets))
        for begin in range(0, len(some), _AT_ONCE):
            words = some[begin : begin + _AT_ONCE]
            first, last = self.offsets[words[0]], self.offsets[words[-1] + 1]
            sums = np.add.reduceat(table[self.rows[first:last]], self.offsets[words] - first)
            out[words] = sums * self.scales[words, None]
        return out

    @property
    def scales(self) -> np.ndarray:
        """What each word's sum is multiplied by, (W,) float32."""
        return (1 / np.sqrt(np.maximum(self.counts, 1))).astype(np.float32)


@dataclass(frozen=True)
class Encoded:
    """The ids of N texts: text n has `ids[offsets[n]:offsets[n + 1]]`.

    Attributes:
        ids: Flat, (total,) int32.
        offsets: (N + 1,) int64.
        unseen: The character n-grams of words that have the ids after the vocabulary's, in the order of these.
        names: These words.
    """

    ids: np.ndarray
    offsets: np.ndarray
    unseen: Ngrams | None = None
    names: Sequence[str] = ()

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens per text, (N,)."""
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, rows: np.ndarray) -> Encoded:
        """Return the texts at the given indices, (M,), in their order."""
        lengths = self.lengths[rows]
        ids = self.ids[np.repeat(self.offsets[rows], lengths) + run_positions(lengths)]
        return Encoded(ids, offsets_of(lengths), self.unseen, self.names)


def text_lengths(chunks: Iterable[Tokens]) -> np.ndarray:
    """Return the number of tokens of each of N texts, (N,), the pieces of a long one added up."""
    parts = [np.zeros(0, np.int64)]
    for tokens in chunks:
        lengths = tokens.lengths
        if tokens.continued:
            parts[-1][-1] += lengths[0]
            lengths = lengths[1:]
        if len(lengths):
            parts.append(lengths)
    return np.concatenate(parts)


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Return the offsets of N runs, (N + 1,) int64, from their lengths, (N,); the last one is the total."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def run_positions(lengths: np.ndarray) -> np.ndarray:
    """Return the positions 0, 1, 2, ... within each of N runs, (total,), from their lengths, (N,)."""
    return np.arange(int(lengths.sum())) - np.repeat(offsets_of(lengths)[:-1], lengths)
