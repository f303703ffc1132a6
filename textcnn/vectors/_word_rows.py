"""The rows asked for, filled while a file is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textcnn.errors import VectorsError
from textcnn.vectors._source import DAMAGED, counted, shown

logger = logging.getLogger(__name__)

MAX_DIMENSION = 10_000  # a first row of text with that many numbers still fits the first block


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of a list of words, as far as a file had them.

    Attributes:
        matrix: float32 (V, D), row i for the i-th word asked for; zeros where it was not found.
        found: bool (V,), whether the file had the word in one of the spellings tried.
        words_in_file: How many words the file holds, wanted or not.
        undecodable: How many of these are not UTF-8; they are passed over.
        duplicates: How often a wanted word came again; its first vector is kept.
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
        """D, the numbers in one vector."""
        return int(self.matrix.shape[1])

    @property
    def found_count(self) -> int:
        """How many of the V words were found."""
        return int(np.count_nonzero(self.found))

    @property
    def coverage(self) -> float:
        """The share of the V words that was found, from 0 to 1."""
        return self.found_count / len(self.found)

    def filled(self, generator: np.random.Generator, *, norm: float = 0.0) -> np.ndarray:
        """Give the words that were not found random vectors, as Kim (2014, section 3.1.1) does.

        They come from U[-a, a], where a = sqrt(3 var) gives them the variance of the vectors found,
        taken over all their numbers.

        Args:
            generator: The source of randomness; equal generators give equal vectors.
            norm: The L2 norm that all vectors but zeros are scaled to; 0 leaves them as they are.

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
    """What is known of a file before its words are: `count` is None where nothing says how many there are."""

    format: str
    dimension: int
    count: int | None


class Rows:
    """The matrix under way: which spelling of which word fills which row."""

    def __init__(self, path: Path, words: Sequence[str], dimension: int) -> None:
        self.path = path
        self.total = self.undecodable = self.duplicates = 0
        self.matrix = np.zeros((len(words), dimension), dtype=np.float32)
        self._rank = np.full(len(words), 3, dtype=np.int8)  # of the spelling found; 3 is none
        # Each spelling's rows and ranks, as 3 * row + rank; emptied when the spelling has been read.
        self.wanted: dict[bytes, list[int]] = {}
        for row, word in enumerate(words):
            for rank, spelling in enumerate((word, word.lower(), word.capitalize())):
                if rank == 0 or spelling != word:
                    # A lone surrogate has no UTF-8; its three bytes are no word of a file either.
                    key = spelling.encode("utf-8", "surrogatepass")
                    self.wanted.setdefault(key, []).append(3 * row + rank)

    def first_pieces(self) -> set[bytes]:
        """The wanted spellings up to their first space: what a line must begin with to be of interest."""
        return {key.split(b" ", 1)[0] if b" " in key else key for key in self.wanted}

    def put(self, word: bytes, values: np.ndarray, place: str) -> None:
        """Keep `values`, float32 (D,), for each row that `word` serves better than what it has."""
        targets = self.wanted[word]
        if not targets:
            self.duplicates += 1
            return
        if not np.isfinite(values).all():
            raise VectorsError(
                f"{self.path}, {place}: expected finite numbers, found NaN or infinity in the vector of "
                f"{shown(word)}; repair the file or use another"
            )
        for target in targets:
            row, rank = divmod(target, 3)
            if rank < self._rank[row]:
                self.matrix[row] = values
                self._rank[row] = rank
        self.wanted[word] = []

    def count(self, words: list[bytes]) -> None:
        """Count the words of a block, and those among them that are not UTF-8."""
        self.total += len(words)
        if not _is_utf8(b" ".join(words)):
            self.undecodable += sum(not _is_utf8(word) for word in words)

    def finish(self, layout: Layout, rest: bytes) -> WordVectors:
        """Hold what was read, and the `rest` that was not, against the header; report what was found."""
        count = self.total if layout.count is None else layout.count
        if self.total != count or rest:
            expected = f"{counted(count, 'word')} of {counted(layout.dimension)} ({layout.format})"
            end = f"the end of the file in word {self.total + 1:,}" if self.total < count else "more than that"
            raise VectorsError(f"{self.path}: expected {expected}, found {end}; {DAMAGED}")
        found = self._rank < 3
        if not found.any():
            raise VectorsError(
                f"none of the {len(found):,} words were found in {self.path} ({self.total:,} words, "
                f"{layout.dimension}-d); is it in another language or spelt in another way?"
            )
        if self.duplicates:
            logger.warning("%s: %d wanted words came again; the first is kept", self.path, self.duplicates)
        if self.undecodable:
            logger.warning("%s: %d words are not UTF-8 and were passed over", self.path, self.undecodable)
        return WordVectors(self.matrix, found, self.total, self.undecodable, self.duplicates, layout.format)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


Reader = Callable[[Rows], bytes]
"""Reads a file's words into rows, and returns the bytes left over that make none."""
