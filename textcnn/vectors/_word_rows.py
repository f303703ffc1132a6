"""The matrix of the wanted words, filled while a file is read."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from textcnn.errors import VectorsError
from textcnn.vectors._block_stream import DAMAGED, counted, shown

logger = logging.getLogger(__name__)

MAX_DIMENSION = 10_000  # the first row of a text file still fits the first block


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of a list of V words, as far as a source has them.

    Attributes:
        matrix: float32 (V, D), row i for the i-th word; zeros where it was not found.
        found: bool (V,), whether the source has the word in one of the spellings tried.
        words_in_file: Number of words read, wanted or not: all in the source, or the `max_words` asked for.
        undecodable: Number of these that are not UTF-8; they are skipped.
        duplicates: Number of repeats of wanted words; the first vector of each is kept.
        format: The format read, such as ``word2vec binary``.
    """

    matrix: np.ndarray
    found: np.ndarray
    words_in_file: int
    undecodable: int
    duplicates: int
    format: str

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        return int(self.matrix.shape[1])

    @property
    def found_count(self) -> int:
        """Number of the V words that were found."""
        return int(np.count_nonzero(self.found))

    @property
    def coverage(self) -> float:
        """Share of the V words that were found, from 0 to 1."""
        return self.found_count / len(self.found)

    def filled(self, generator: np.random.Generator, *, norm: float = 0.0) -> np.ndarray:
        """Return the matrix with random vectors for the words that were not found.

        They are drawn from U[-a, a], where a = sqrt(3 var) gives them the variance of the vectors
        found, taken over all their numbers (Kim, 2014, section 3.1.1).

        Args:
            generator: Source of randomness; equal generators give equal vectors.
            norm: L2 norm to scale all nonzero vectors to; 0 leaves them as they are.

        Returns:
            A new float32 matrix (V, D). A padding word among the words is filled like any other.
        """
        matrix = self.matrix.copy()
        bound = np.float32(np.sqrt(3 * np.var(self.matrix[self.found], dtype=np.float64)))
        missing = (len(self.found) - self.found_count, self.dimension)
        matrix[~self.found] = (2 * generator.random(missing, dtype=np.float32) - 1) * bound
        if norm:
            norms = np.linalg.norm(matrix, axis=1, keepdims=True)  # (V, 1)
            matrix *= norm / np.where(norms > 0, norms, 1)
        return matrix


@dataclass(frozen=True)
class Layout:
    """What is known of a source before its words are read.

    Attributes:
        format: As in `WordVectors`.
        dimension: D, the length of a vector.
        count: Number of words that the source states; None if it states none.
        exact: Whether another number of words is an error; if not, it is a warning.
    """

    format: str
    dimension: int
    count: int | None
    exact: bool = True


class WantedRows:
    """The matrix being filled, and which spelling of which word fills which row.

    Args:
        name: The source, for messages.
        words: The V words wanted.
        layout: Of the source.
        max_words: Number of words of the source to read; None reads all.
    """

    def __init__(self, name: str, words: Sequence[str], layout: Layout, max_words: int | None = None) -> None:
        self.name = name
        self.layout = layout
        # A limit past an exact count is none: the end of the file is checked as usual.
        limited = max_words is not None and (layout.count is None or not layout.exact or max_words < layout.count)
        self.limit = max_words if max_words is not None and limited else sys.maxsize
        self.total = self.undecodable = self.duplicates = 0
        self.matrix = np.zeros((len(words), layout.dimension), dtype=np.float32)
        self._rank = np.full(len(words), 3, dtype=np.int8)  # of the spelling found; 3 is none
        # Each spelling's rows and ranks, as 3 * row + rank; emptied once the spelling has been read.
        self._targets: dict[bytes, list[int]] = {}
        for row, word in enumerate(words):
            for rank, spelling in enumerate((word, word.lower(), word.capitalize())):
                if rank == 0 or spelling != word:
                    # A lone surrogate has no UTF-8, and its three bytes are no word of a file.
                    key = spelling.encode("utf-8", "surrogatepass")
                    self._targets.setdefault(key, []).append(3 * row + rank)
        self.wanted: Container[bytes] = self._targets

    def first_pieces(self) -> Container[bytes]:
        """Return the wanted spellings up to their first space: the beginnings of the lines of interest."""
        return {key.split(b" ", 1)[0] if b" " in key else key for key in self._targets}

    def room(self) -> int:
        """Return the number of words still to read before the limit."""
        return self.limit - self.total

    def put(self, word: bytes, values: np.ndarray, where: str) -> None:
        """Copy `values`, float32 (D,), to each row that has no better spelling than `word` yet."""
        targets = self._targets[word]
        if not targets:
            self.duplicates += 1
            return
        self.check_finite(word, values, where)
        for target in targets:
            row, rank = divmod(target, 3)
            if rank < self._rank[row]:
                self.matrix[row] = values
                self._rank[row] = rank
        self._targets[word] = []

    def check_finite(self, word: bytes, values: np.ndarray, where: str) -> None:
        """Raise VectorsError if a vector has a number that is not finite."""
        if not np.isfinite(values).all():
            raise VectorsError(
                f"{self.name}, {where}: expected finite numbers, found NaN or infinity in the vector of "
                f"{shown(word)}; repair the file or use another"
            )

    def count(self, words: list[bytes]) -> None:
        """Count the words of a block, and those that are not UTF-8."""
        self.total += len(words)
        if not _is_utf8(b" ".join(words)):
            self.undecodable += sum(not _is_utf8(word) for word in words)

    def finish(self, rest: bytes) -> WordVectors:
        """Return what was found of the wanted words; for `rest` see `check_end`."""
        self.check_end(rest)
        found = self._rank < 3
        if not found.any():
            raise VectorsError(
                f"none of the {len(found):,} words were found in {self.name} ({self.total:,} words, "
                f"{self.layout.dimension}-d); is it in another language or spelling?"
            )
        self.warn()
        layout = self.layout
        return WordVectors(self.matrix, found, self.total, self.undecodable, self.duplicates, layout.format)

    def check_end(self, rest: bytes) -> None:
        """Check the words read, and the `rest` that makes no word, against the stated count."""
        layout = self.layout
        count = self._expected()
        if layout.exact and (self.total != count or rest):
            expected = f"{counted(count, 'word')} of {counted(layout.dimension)} ({layout.format})"
            end = f"the end of the file in word {self.total + 1:,}" if self.total < count else "more than that"
            raise VectorsError(f"{self.name}: expected {expected}, found {end}; {DAMAGED}")

    def _stated(self) -> int:
        return self.total if self.layout.count is None else self.layout.count

    def _expected(self) -> int:
        """Return the number of words that should have been read."""
        return min(self._stated(), self.limit)

    def warn(self) -> None:
        """Log a wrong count, repeats and words that are not UTF-8."""
        if self.total > self._stated() or self.total < self._expected():
            logger.warning(
                "%s: the header states %s, found %s; all are used (if that is too few, download or copy it again)",
                self.name,
                counted(self._stated(), "word"),
                f"{self.total:,}",
            )
        if self.duplicates:
            logger.warning("%s: %d repeats of wanted words; the first vector is kept", self.name, self.duplicates)
        if self.undecodable:
            logger.warning("%s: %d words are not UTF-8 and were skipped", self.name, self.undecodable)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


Reader = Callable[[WantedRows], bytes]
"""Reads words into rows, and returns the remaining bytes that make no word."""
