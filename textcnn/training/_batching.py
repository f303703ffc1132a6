"""Batches of similar length from encoded texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from textcnn import kernels
from textcnn.text.tokens import Encoded
from textcnn.training.group import ONE_PROCESS, Share, TrainingGroup

POSITIONS = 1 << 18  # per padded batch, unless one text alone has more
POOL = 50  # batches sorted by length together: enough for even lengths, few enough to stay shuffled


@dataclass(frozen=True)
class Examples:
    """Encoded texts with their classes.

    Attributes:
        texts: N encoded texts.
        labels: class ids, (N,), or which labels each text has, (N, K) bool.
        weights: of the texts in the loss, (N,); None if all are equal.
        probabilities: that a network is to give the texts, (N, K) float32; None for those of the labels, 0 and 1.
    """

    texts: Encoded
    labels: np.ndarray
    weights: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Examples:
        """Return the texts at the given indices, (M,), in their order."""
        weights = None if self.weights is None else self.weights[rows]
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Examples(self.texts.take(rows), self.labels[rows], weights, probabilities)


@dataclass(frozen=True)
class Batch:
    """B texts without padding, as their distinct words; `distinct[inverse]` are the concatenated word ids.

    Attributes:
        distinct: distinct word ids, (U,) int64.
        inverse: index into `distinct` at each position, (N,) int32.
        lengths: words per text, (B,) int64, summing to N.
        share: what these texts are of a batch that several processes share; None where they are all of it.
    """

    distinct: torch.Tensor
    inverse: torch.Tensor
    lengths: torch.Tensor
    share: Share | None = None

    @property
    def texts(self) -> int:
        """How many texts the whole batch has."""
        return len(self.lengths) if self.share is None else self.share.texts

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.distinct.to(device), self.inverse.to(device), self.lengths.to(device), self.share)


class Batcher:
    """Makes batches from rows of encoded texts.

    Args:
        texts: all texts.
    """

    def __init__(self, texts: Encoded) -> None:
        self.texts = texts
        self._numbers = np.zeros(int(texts.ids.max(initial=0)) + 1, np.int32)  # scratch memory of `number_words`

    def batch(self, rows: np.ndarray, share: Share | None = None) -> Batch:
        """Return the texts at the given rows, (B,), in that order."""
        texts = self.texts.take(rows)
        ids, lengths = texts.ids, texts.lengths  # (N,), (B,)
        if kernels.compiled:
            distinct, inverse = kernels.number_words(ids, self._numbers)  # (U,), (N,)
        else:
            distinct, inverse = np.unique(ids, return_inverse=True)  # (U,), (N,)
            distinct, inverse = distinct.astype(np.int64), inverse.astype(np.int32)
        return Batch(torch.from_numpy(distinct), torch.from_numpy(inverse), torch.from_numpy(lengths), share)


def training_batches(
    texts: Encoded, *, batch_size: int, generator: np.random.Generator, group: TrainingGroup = ONE_PROCESS
) -> Iterator[tuple[np.ndarray, Batch]]:
    """Yield the batches of one epoch in random order, each of texts of similar length, with their rows (B,).

    Of each batch a process of a group has its share.
    """
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
        share = group.share(len(batches[i]))
        rows = batches[i] if share is None else batches[i][share.part]
        yield rows, batcher.batch(rows, share)


def ordered_batches(
    texts: Encoded, *, batch_size: int, group: TrainingGroup = ONE_PROCESS
) -> Iterator[tuple[np.ndarray, Batch]]:
    """Yield batches of all texts in the order of their lengths, with their rows (B,).

    Of all batches a process of a group has its own.
    """
    order = np.argsort(texts.lengths, kind="stable")
    batches = []
    for begin in range(0, len(order), batch_size):
        batches += _bounded(order[begin : begin + batch_size], texts.lengths)
    batcher = Batcher(texts)
    for rows in batches[group.rank :: group.size]:
        yield rows, batcher.batch(rows)


def _bounded(rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Halve rows, sorted by length, until each padded batch has at most `POSITIONS` positions."""
    if len(rows) == 1 or len(rows) * int(lengths[rows[-1]]) <= POSITIONS:
        return [rows]
    half = len(rows) // 2
    return [*_bounded(rows[:half], lengths), *_bounded(rows[half:], lengths)]
