"""Tokens and ids of many texts: one flat array, and offsets where each text begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


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
class Encoded:
    """The ids of N texts: text n has `ids[offsets[n]:offsets[n + 1]]`."""

    ids: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens per text, (N,)."""
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, rows: np.ndarray) -> Encoded:
        """Return the texts at the given indices, (M,), in their order."""
        lengths = self.lengths[rows]
        return Encoded(self.ids[np.repeat(self.offsets[rows], lengths) + run_positions(lengths)], offsets_of(lengths))


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
