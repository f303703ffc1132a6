"""Words times filters: the table whose rows a window adds up."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, cast

import numpy as np

from textcnn.inference.codes import BITS, codes_of
from textcnn.text.tokens import Ngrams
from textcnn.text.vocabulary import PAD

TABLE_BYTES = 1 << 28  # a table of the whole vocabulary is kept up to this size
MOST_BYTES = 1 << 29  # of a table made for one call
AT_ONCE = 1024  # words projected together
LENT, LOANS = 4096, 4  # rows lent to a call for words that the table lacks, and how many such calls at once


class LookUpTable:
    """Projected words, F numbers in each of S slots: filled as words are first met, or rebuilt per call if V is large.

    Args:
        rows: word rows of the whole vocabulary, (V, C, D).
        project: maps word rows (n, C, D) to their projection (n, S, F).
        shape: (S, F).
        lends: whether there are rows to lend (`TableBesides`).
    """

    def __init__(
        self,
        rows: np.ndarray,
        project: Callable[[np.ndarray], np.ndarray],
        shape: tuple[int, int],
        *,
        lends: bool = False,
    ) -> None:
        self.rows = rows
        self.lends = lends
        self.project = project
        self.shape = shape
        self.size = len(rows)  # of ids
        self.bits, self.scales = 32, np.ones(shape, np.float32)
        self._clear()

    def use_codes(self, bits: int, scales: np.ndarray) -> None:
        """Keep whole numbers of 8 or 16 bits, each times the scale of its slot and map, (S, F)."""
        self.bits, self.scales = bits, scales
        self._clear()

    def _clear(self) -> None:
        """Start with an empty table, if that of the whole vocabulary is small enough to keep."""
        self.table: np.ndarray | None = None
        if len(self.rows) * self.shape[0] * self.shape[1] * self.bits // 8 <= TABLE_BYTES:
            lent = LENT * LOANS if self.lends else 0  # memory that is taken when they are
            self.table = np.empty((len(self.rows) + lent, *self.shape), BITS.get(self.bits, np.float32))
            self.table[PAD] = 0
        self.missing = np.ones(len(self.rows), dtype=bool)
        self.missing[PAD] = False
        self.complete = False
        self.lock = Lock()
        self.free = [len(self.rows) + LENT * i for i in range(LOANS)] if self.lends and self.table is not None else []

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again, so that a pickled classifier stays small."""
        return {name: vars(self)[name] for name in ("rows", "lends", "size", "project", "shape", "bits", "scales")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._clear()

    def fits(self, ids: np.ndarray) -> bool:
        """Return whether what `look_up` returns of the words `ids` (N,) is kept or takes at most `MOST_BYTES`."""
        most = MOST_BYTES // (4 * self.shape[0] * self.shape[1])
        kept = self.table is not None and self.bits == 32
        return kept or len(ids) <= most or len(self._distinct(ids)) <= most

    def word_rows(self, words: np.ndarray) -> np.ndarray:
        """Return the rows of words before projection, (n, C, D)."""
        return self.rows[words]

    def fill(self) -> None:
        """Project all words now, if the table is kept."""
        if self.table is not None:
            self._fill(np.arange(len(self.rows)))

    def look_up(self, ids: np.ndarray, maps: slice | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return a table of words and the rows of some in it.

        Args:
            ids: of N words, (N,).
            maps: which of the F numbers; None takes all.

        Returns:
            The table, (n, S, F) float32, and each word's row in it, (N,) int32.
        """
        if self.table is None or self.bits != 32:
            return self._for_words(ids, lambda words: self._numbers(words)[:, :, maps or slice(None)])
        self._fill(ids)
        return self.table if maps is None else np.ascontiguousarray(self.table[:, :, maps]), ids

    def look_up_codes(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a table of whole numbers, (n, S, F) int8 or int16, and the rows of words in it, (N,) both int32."""
        if self.table is None:
            return self._for_words(ids, self._made)
        self._fill(ids)
        return self.table, ids

    def _for_words(self, ids: np.ndarray, make: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return a table of the distinct ones of `ids` alone, whose rows `make` returns, and the rows of all."""
        distinct = self._distinct(ids) if len(ids) else np.array([PAD])
        first = make(distinct[:AT_ONCE])
        table = np.empty((len(distinct), *first.shape[1:]), first.dtype)
        table[:AT_ONCE] = first
        for begin in range(AT_ONCE, len(distinct), AT_ONCE):
            table[begin : begin + AT_ONCE] = make(distinct[begin : begin + AT_ONCE])
        table[distinct == PAD] = 0
        places = np.zeros(self.size, np.int32)
        places[distinct] = np.arange(len(distinct), dtype=np.int32)
        return table, places[ids]

    def _numbers(self, words: np.ndarray) -> np.ndarray:
        """Return the rows of distinct words as float32, (n, S, F)."""
        if self.bits == 32:
            return self._made(words)
        if self.table is None:
            return self._made(words) * self.scales
        self._fill(words)
        return self.table[words] * self.scales

    def _made(self, words: np.ndarray) -> np.ndarray:
        """Return the rows of words as the table has them, computed anew, (n, S, F)."""
        rows = self.project(self.rows[words])
        return rows if self.bits == 32 else codes_of(rows, self.scales, self.bits)

    def kept_or_made(self, words: np.ndarray) -> np.ndarray:
        """Return the rows of distinct words as the table has them, (n, S, F)."""
        if self.table is None:
            return self._made(words)
        self._fill(words)
        return self.table[words]

    def _distinct(self, ids: np.ndarray) -> np.ndarray:
        """Return the distinct ones of word ids, rising."""
        if len(ids) < self.size // 8:
            return np.unique(ids)
        met = np.zeros(self.size, bool)
        met[ids] = True
        return np.flatnonzero(met)

    def _fill(self, ids: np.ndarray) -> None:
        """Add the words that are not there."""
        if self.complete:
            return
        with self.lock:  # several threads may score at once
            if len(ids) >= len(self.rows):  # most words will be met: project all of them now
                self._add(np.flatnonzero(self.missing))
                self.complete = True
                return
            met = ids[self.missing[ids]]
            if len(met):
                self._add(np.unique(met))

    def _add(self, words: np.ndarray) -> None:
        table = cast("np.ndarray", self.table)
        for begin in range(0, len(words), AT_ONCE):
            part = words[begin : begin + AT_ONCE]
            table[part] = self._made(part)
            self.missing[part] = False


class TableBesides(LookUpTable):
    """A table and, after its words, those of one call that it lacks.

    Their rows are written where the table lends some, until this object is gone. If there are too many words or other
    calls, or the table is not kept, each look-up puts the rows of its distinct words together.

    Args:
        table: of the vocabulary.
        unseen: the character n-grams of U words, whose ids follow.
        ngram_rows: (B, C, D).
    """

    def __init__(self, table: LookUpTable, unseen: Ngrams, ngram_rows: np.ndarray) -> None:
        self.base, self.unseen, self.ngram_rows = table, unseen, ngram_rows
        self.rows, self.project, self.shape = table.rows, table.project, table.shape
        self.bits, self.scales = table.bits, table.scales
        self.size = len(table.rows) + len(unseen.counts)
        self.table = None
        self.lent: int | None = None  # the first row
        with suppress(IndexError):
            self.lent = table.free.pop() if len(unseen.counts) <= LENT else None
        if self.lent is not None:
            weakref.finalize(self, table.free.append, self.lent)
            for begin in range(0, len(unseen.counts), AT_ONCE):
                part = np.arange(begin, min(begin + AT_ONCE, len(unseen.counts)))
                cast("np.ndarray", table.table)[self.lent + part] = self._made_anew(len(self.rows) + part)

    def fits(self, ids: np.ndarray) -> bool:
        """Return whether what `look_up` returns of the words `ids` (N,) is kept or takes at most `MOST_BYTES`."""
        return (self.lent is not None and self.bits == 32) or super().fits(ids)

    def look_up(self, ids: np.ndarray, maps: slice | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return a table of words, (n, S, F) float32, and the rows of some in it, (N,) int32; as in `LookUpTable`."""
        if self.lent is None or self.bits != 32 or maps is not None:
            return super().look_up(ids, maps)
        return self._lent(ids)

    def look_up_codes(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a table of whole numbers, (n, S, F), and the rows of words in it, (N,) int32; as in `LookUpTable`."""
        return super().look_up_codes(ids) if self.lent is None else self._lent(ids)

    def _lent(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the table that lends rows, and the words' rows in it."""
        known = ids < len(self.rows)
        table, _ = (self.base.look_up if self.bits == 32 else self.base.look_up_codes)(ids[known])
        return table, np.where(known, ids, ids + np.int32(cast("int", self.lent) - len(self.rows)))

    def _made(self, words: np.ndarray) -> np.ndarray:
        """Return the rows of distinct words, (n, S, F)."""
        known = words < len(self.rows)
        out = np.empty((len(words), *self.shape), BITS.get(self.bits, np.float32))
        for own, make in ((known, self.base.kept_or_made), (~known, self._made_anew)):
            if own.any():
                out[own] = make(words[own])
        return out

    def _made_anew(self, words: np.ndarray) -> np.ndarray:
        """Return the rows of words that the table lacks, (n, S, F)."""
        rows = self.project(self.word_rows(words))
        return rows if self.bits == 32 else codes_of(rows, self.scales, self.bits)

    def word_rows(self, words: np.ndarray) -> np.ndarray:
        """Return the rows of words before projection, (n, C, D)."""
        flat = self.ngram_rows.reshape(len(self.ngram_rows), -1)
        own = words < len(self.rows)
        out = np.empty((len(words), *self.ngram_rows.shape[1:]), np.float32)
        out[own] = self.rows[words[own]]
        out[~own] = self.unseen.take(words[~own] - len(self.rows)).sums(flat).reshape(out[~own].shape)
        return out
