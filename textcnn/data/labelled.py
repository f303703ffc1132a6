"""Labelled texts in memory: a column of texts with class ids, and optional groups and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class Labelled:
    """N texts with their classes.

    Attributes:
        texts: A column of N strings.
        labels: Class ids, (N,) int64.
        groups: Group of each text, (N,) int64, 0 or more: a split never divides a group. None if every text is on its
            own.
        weights: Weight of each text, (N,) float64; None if all are 1.
    """

    texts: pa.ChunkedArray
    labels: np.ndarray
    groups: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.labels)

    @classmethod
    def from_dataset(cls, split: datasets.Dataset) -> Labelled:
        """Return the texts of a split that `textcnn.data.load_corpus` loaded.

        Args:
            split: A dataset with the columns `text` and `label`; a column `sentence` becomes the groups.
        """
        table = split.with_format("arrow")[:]
        groups = table["sentence"].to_numpy() if "sentence" in table.column_names else None
        return cls(table["text"], table["label"].to_numpy(), groups)

    def take(self, rows: np.ndarray) -> Labelled:
        """Return the texts at the given indices, in their order.

        Args:
            rows: Indices, (M,).
        """
        return Labelled(
            self.texts.take(pa.array(rows)),
            self.labels[rows],
            None if self.groups is None else self.groups[rows],
            None if self.weights is None else self.weights[rows],
        )


def concatenate(parts: Sequence[Labelled]) -> Labelled:
    """Join labelled texts.

    Args:
        parts: At least one.

    Returns:
        The texts of all parts in order. Groups of different parts stay distinct. If only some parts have groups, each
        text of the others is a group of its own; if only some have weights, those of the others are 1.
    """
    texts = pa.chunked_array([chunk for part in parts for chunk in part.texts.chunks], parts[0].texts.type)
    groups = weights = None
    if any(part.groups is not None for part in parts):
        kept = [np.arange(len(part)) if part.groups is None else part.groups for part in parts]
        firsts = np.cumsum([0, *(group.max(initial=-1) + 1 for group in kept)])
        groups = np.concatenate([group + first for group, first in zip(kept, firsts, strict=False)])
    if any(part.weights is not None for part in parts):
        weights = np.concatenate([np.ones(len(part)) if part.weights is None else part.weights for part in parts])
    return Labelled(texts, np.concatenate([part.labels for part in parts]), groups, weights)


def label_names(corpus: datasets.DatasetDict) -> list[str]:
    """Return the class names of a corpus that `textcnn.data.load_corpus` loaded, in the order of their ids."""
    return next(iter(corpus.values())).features["label"].names
