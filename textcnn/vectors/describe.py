"""What a word-vector file holds, and how much of some texts it covers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pyarrow as pa

from textcnn.errors import VectorsError
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import count_words
from textcnn.vectors._reading import first_words, load_vectors

_CANDIDATES = 20_000  # first words of a file, among which neighbours are sought
_USUAL = 100  # words so frequent that their neighbours say little
_EXAMPLES = 3
_NEIGHBOURS = 5
_MISSING = 20


@dataclass(frozen=True)
class Coverage:
    """How much of some texts a file covers, each word in the first spelling that the file has.

    Attributes:
        words: distinct words of the texts.
        found: those that the file has.
        tokens: words of the texts, each as often as it occurs.
        tokens_found: those that the file has.
        missing: the most frequent words that it has not, with how often they occur.
    """

    words: int
    found: int
    tokens: int
    tokens_found: int
    missing: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class VectorsFile:
    """A word-vector file.

    Attributes:
        path: where it is.
        size: its bytes, without what stands beside it.
        format: as in `WordVectors`.
        words: words in it.
        dimension: numbers in a vector.
        candidates: its first words, so many, are those among which neighbours are sought.
        neighbours: words with their nearest neighbours and the cosines to these; None for a word
            that the file has not.
        coverage: of the texts that were given.
    """

    path: Path
    size: int
    format: str
    words: int
    dimension: int
    candidates: int
    neighbours: dict[str, tuple[tuple[str, float], ...] | None]
    coverage: Coverage | None


def describe_vectors(
    path: str | PathLike[str],
    texts: Iterable[pa.ChunkedArray] | None = None,
    *,
    tokenizer: Tokenizer | None = None,
    near: Sequence[str] = (),
    progress: Callable[[float], None] | None = None,
) -> VectorsFile:
    """Describe a word-vector file.

    Args:
        path: as for `load_vectors`.
        texts: columns of texts whose coverage is of interest.
        tokenizer: how they are tokenized.
        near: words whose nearest neighbours are of interest; without any, a few frequent ones.
        progress: called now and then with the share of the file read, from 0 to 1.

    Raises:
        VectorsError: the file cannot be read (see `load_vectors`), or one of the vectors that are
            needed is not finite.
    """
    path = Path(path)
    candidates = first_words(path, _CANDIDATES)
    if not candidates:
        raise VectorsError(f"{path}: expected words in UTF-8, found none; convert the file")
    near = list(near) or [word for word in candidates[_USUAL:] if word.isalpha() and len(word) > 3][:_EXAMPLES]
    words: list[str] = []
    counts = np.zeros(0, dtype=np.int64)
    if texts is not None and tokenizer is not None:
        words, counts = count_words(tokens for column in texts for tokens in tokenizer.columns(column))
    vectors = load_vectors(path, [*candidates, *near, *words], progress=progress)
    others = len(candidates) + len(near)
    return VectorsFile(
        path=path,
        size=path.stat().st_size,
        format=vectors.format,
        words=vectors.words_in_file,
        dimension=vectors.dimension,
        candidates=len(candidates),
        neighbours=_neighbours(candidates, near, vectors.matrix[:others]),
        coverage=None if texts is None else _coverage(words, counts, vectors.found[others:]),
    )


def _coverage(words: Sequence[str], counts: np.ndarray, found: np.ndarray) -> Coverage:
    missing = np.flatnonzero(~found)[:_MISSING]
    return Coverage(
        words=len(words),
        found=int(found.sum()),
        tokens=int(counts.sum()),
        tokens_found=int(counts[found].sum()),
        missing=tuple((words[i], int(counts[i])) for i in missing),
    )


def _neighbours(
    candidates: Sequence[str], near: Sequence[str], matrix: np.ndarray
) -> dict[str, tuple[tuple[str, float], ...] | None]:
    """The candidates nearest to each word by the cosine.

    Args:
        candidates: C words.
        near: N words.
        matrix: their vectors, (C + N, D); zeros where the file has none.
    """
    unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)  # (C + N, D)
    cosines = unit[len(candidates) :] @ unit[: len(candidates)].T  # (N, C)
    nearest: dict[str, tuple[tuple[str, float], ...] | None] = {}
    for word, vector, row in zip(near, matrix[len(candidates) :], cosines, strict=True):
        best = [(candidates[i], float(row[i])) for i in np.argsort(-row, kind="stable")[: _NEIGHBOURS + 1]]
        nearest[word] = tuple(pair for pair in best if pair[0] != word)[:_NEIGHBOURS] if vector.any() else None
    return nearest
