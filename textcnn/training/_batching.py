"""Encoded texts to batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from textcnn import kernels
from textcnn.text.tokens import Encoded, run_positions

POSITIONS = 1 << 18  # of a batch, padded: a text of a million words is a batch by itself
POOL = 50  # batches sorted by length together: enough to be even, few enough to stay mixed


@dataclass(frozen=True)
class Examples:
    """Encoded texts with their classes.

    Attributes:
        texts: N of them.
        labels: class ids, (N,).
        weights: of the texts in the loss, (N,); None for all alike.
    """

    texts: Encoded
    labels: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Batch:
    """B texts without padding: text b has the next `lengths[b]` of the N words, `words[places]`."""

    words: torch.Tensor  # distinct ids, (U,) int64
    places: torch.Tensor  # (N,) int32
    lengths: torch.Tensor  # (B,) int64

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(self.words.to(device), self.places.to(device), self.lengths.to(device))


class Batcher:
    """Makes batches of the rows of encoded texts.

    Args:
        texts: all texts.
    """

    def __init__(self, texts: Encoded) -> None:
        self.texts = texts
        self._numbers = np.zeros(int(texts.ids.max(initial=0)) + 1, np.int32)

    def batch(self, rows: np.ndarray) -> Batch:
        """The texts of the given rows, in that order."""
        lengths = self.texts.lengths[rows]
        ids = self.texts.ids[np.repeat(self.texts.offsets[rows], lengths) + run_positions(lengths)]
        if kernels.compiled:
            words, places = kernels.number_words(ids, self._numbers)
        else:
            words, places = np.unique(ids, return_inverse=True)
            words, places = words.astype(np.int64), places.astype(np.int32)
        return Batch(torch.from_numpy(words), torch.from_numpy(places), torch.from_numpy(lengths))


def training_batches(
    texts: Encoded, *, batch_size: int, generator: np.random.Generator
) -> Iterator[tuple[np.ndarray, Batch]]:
    """One epoch: all texts once, in random order, those of a batch of similar length, with the rows it holds."""
    lengths = texts.lengths
    order = generator.permutation(len(lengths))
    batches = []
    for begin in range(0, len(order), POOL * batch_size):
        pool = order[begin : begin + POOL * batch_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        for i in range(0, len(pool), batch_size):
            batches += _bounded(pool[i : i + batch_size], lengths)
    batcher = Batcher(texts)
    for i in generator.permutation(len(batches)):
        yield batches[i], batcher.batch(batches[i])


def ordered_batches(texts: Encoded, *, batch_size: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """All texts by length, each batch with the rows that it holds."""
    order = np.argsort(texts.lengths, kind="stable")
    batcher = Batcher(texts)
    for begin in range(0, len(order), batch_size):
        for rows in _bounded(order[begin : begin + batch_size], texts.lengths):
            yield rows, batcher.batch(rows)


def _bounded(rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Rows in the order of their lengths, halved until a batch, padded, stays within POSITIONS."""
    if len(rows) == 1 or len(rows) * int(lengths[rows[-1]]) <= POSITIONS:
        return [rows]
    half = len(rows) // 2
    return [*_bounded(rows[:half], lengths), *_bounded(rows[half:], lengths)]
