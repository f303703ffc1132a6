"""Labelled texts in memory: a column of texts with their labels, and optional groups and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.errors import DataError

if TYPE_CHECKING:
    import datasets

MOST_CELLS = 1 << 31  # of the matrix of texts and labels, a byte each


@dataclass(frozen=True)
class Labelled:
    """N texts with their labels.

    Attributes:
        texts: A column of N strings.
        labels: Class ids, (N,) int64; or, where a text has any number of K labels, which these are, (N, K) bool.
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
            split: A dataset with the columns `text` and `label`, a class or a list of labels; a column `sentence`
                becomes the groups, a column `weight` the weights.

        Raises:
            DataError: There are too many texts and labels for memory.
        """
        return _from_table(split.with_format("arrow")[:], getattr(_label_feature(split), "names", ()))

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


@dataclass(frozen=True)
class LabelledTables:
    """Labelled texts by split, as `textcnn.data.load_tables` loads them.

    Attributes:
        tables: By split, `train` first: the columns `text` and `label`, a class id or a list of such, and others.
        classes: The names of the classes, in the order of their ids.
    """

    tables: dict[str, pa.Table]
    classes: list[str]

    def part(self, split: str) -> Labelled:
        """Return the texts of a split, as `Labelled.from_dataset` does."""
        return _from_table(self.tables[split], self.classes)

    def parts(self) -> dict[str, Labelled]:
        """Return the texts of every split."""
        return {split: self.part(split) for split in self.tables}


def _from_table(table: pa.Table, classes: Sequence[str]) -> Labelled:
    groups, weights = (
        table[name].to_numpy() if name in table.column_names else None for name in ("sentence", "weight")
    )
    labels = table["label"]
    ids = indicator(labels, len(classes)) if is_list(labels.type) else labels.to_numpy()
    return Labelled(table["text"], ids, groups, weights)


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
    return _label_feature(next(iter(corpus.values()))).names


def _label_feature(split: datasets.Dataset) -> datasets.ClassLabel:
    """Return the feature that names a split's labels, that of a list's items where a text has several."""
    feature = split.features["label"]
    return getattr(feature, "feature", feature)


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column holds lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def indicator(lists: pa.ChunkedArray, classes: int) -> np.ndarray:
    """Return which labels each text has, (N, K) bool.

    Args:
        lists: A column of N lists of label ids.
        classes: K.

    Raises:
        DataError: There are too many texts and labels for memory.
    """
    if len(lists) * classes > MOST_CELLS:
        raise DataError(
            f"expected at most {MOST_CELLS:,} pairs of a text and a label, found {len(lists):,} texts and {classes:,} "
            "labels; leave out rare labels"
        )
    out = np.zeros((len(lists), classes), bool)
    rows, ids = pc.list_parent_indices(lists), pc.list_flatten(lists)
    out[rows.to_numpy(), ids.to_numpy()] = True
    return out


def sets_of(labels: np.ndarray) -> np.ndarray:
    """Return a number for each text, the same for the same class or the same set of labels, (N,)."""
    if labels.ndim == 1:
        return labels
    rows = np.ascontiguousarray(np.packbits(labels, axis=1))
    return np.unique(rows.view(np.dtype((np.void, rows.shape[1]))).ravel(), return_inverse=True)[1]
