"""Tokens and ids of many texts: one flat run, and offsets that say where each text begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Token:
    """A token and where it stands: `original[start:end]` is its source."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Tokens:
    """The tokens of N texts: text n has `words[offsets[n]:offsets[n + 1]]`."""

    words: pa.Array
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each text, shape (N,)."""
        return self.offsets[1:] - self.offsets[:-1]


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Where each run begins, and the end: lengths (N,) to (N + 1,) int64."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def run_positions(lengths: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each run of the given lengths."""
    return np.arange(int(lengths.sum())) - np.repeat(offsets_of(lengths)[:-1], lengths)


@dataclass(frozen=True)
class Encoded:
    """N texts as one flat run of ids: text n has `ids[offsets[n]:offsets[n + 1]]`."""

    ids: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each text, shape (N,)."""
        return self.offsets[1:] - self.offsets[:-1]
