"""The windows of the first layer, each a sum of look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textcnn.export._graph import Graph, Value
from textcnn.inference.scorer import Scorer
from textcnn.text.vocabulary import PAD


class Windows:
    """The windows of B texts of one length, as `textcnn.inference.scorer.Scorer` has them.

    Args:
        graph: where the operators are added.
        scorer: the model's.
        tables: of each slot, (n, F); row 0 is zero.
        words: rows of the words in the tables, (B, L) int64.
        length: L, from 1, (1,) int64.
    """

    def __init__(self, graph: Graph, scorer: Scorer[Any], tables: Sequence[Value], words: Value, length: Value) -> None:
        self.graph = graph
        self.length = length
        self._scorer = scorer
        self._tables = tables
        self._margin = max(scorer.region_sizes) - 1
        self._padded = graph.op("Pad", words, [0, self._margin if scorer.wide else 0, 0, self._margin], PAD)

    def count(self, region: int = 0) -> Value:
        """Return P, the number of windows of one region size, (1,) int64."""
        size = self._scorer.region_sizes[region]
        return self.length + (size - 1) if self._scorer.wide else self.graph.op("Max", self.length - (size - 1), 1)

    def sums(self, region: int = 0) -> Value:
        """Return the sum of look-ups of every window of one region size, (B, P, F)."""
        size, slot = self._scorer.region_sizes[region], int(self._scorer.slots[region])
        first = self._margin - (size - 1) if self._scorer.wide else 0
        count = self.count(region)
        total: Value | None = None
        for j in range(size):
            words = self._padded.cut(first + j, count + (first + j), axis=1)
            found = self.graph.op("Gather", self._tables[slot + j], words)
            total = found if total is None else total + found
        assert total is not None  # noqa: S101 (a window has a word)
        return total
