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
from textcnn.vectors.neighbours import nearest_rows, untrained

_CANDIDATES = 20_000  # first words of a file, among which neighbours are searched
_USUAL = 100  # words so frequent that their neighbours say little
_EXAMPLES = 3
_NEIGHBOURS = 5
_MISSING = 20


@dataclass(frozen=True)
class Coverage:
    """How much of some texts a file covers; a word counts if the file has one of its spellings.

    Attributes:
        words: Number of distinct words in the texts.
        found: Number of these that the file has.
        tokens: Number of tokens in the texts.
        tokens_found: Number of these that the file has.
        missing: The most frequent words that the file lacks, with their counts.
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
        path: The file.
        size: Its size in bytes, without files saved with it.
        format: As in `WordVectors`.
        words: Number of words read: all, or the `max_words` asked for.
        dimension: Length of a vector.
        candidates: Number of words, from the beginning of the file, among which neighbours are searched.
        neighbours: Words with their nearest neighbours and cosines; None for a word that is not in the file.
        zero_vectors: Those of these words whose vector is zero, so that they have no neighbours.
        untrained: What shows that the vectors are hardly trained, else None.
        coverage: Of the texts, if any were given.
    """

    path: Path
    size: int
    format: str
    words: int
    dimension: int
    candidates: int
    neighbours: dict[str, tuple[tuple[str, float], ...] | None]
    zero_vectors: frozenset[str]
    untrained: str | None
    coverage: Coverage | None


def describe_vectors(
    path: str | PathLike[str],
    texts: Iterable[pa.ChunkedArray] | None = None,
    *,
    tokenizer: Tokenizer | None = None,
    near: Sequence[str] = (),
    max_words: int | None = None,
    trust_pickle: bool = False,
    progress: Callable[[float], None] | None = None,
) -> VectorsFile:
    """Describe a word-vector file.

    Args:
        path: A file, as for `load_vectors`.
        texts: Columns of texts whose coverage to report.
        tokenizer: Of the texts.
        near: Words whose nearest neighbours to report; by default a few frequent ones.
        max_words: As for `load_vectors`.
        trust_pickle: As for `load_vectors`.
        progress: Called now and then with the share of the file read, from 0 to 1.

    Raises:
        VectorsError: The file cannot be read (see `load_vectors`), or a vector that is needed is not finite.
        ConfigError: `max_words` is out of range.
    """
    path = Path(path)
    candidates = first_words(path, _CANDIDATES, max_words=max_words, trust_pickle=trust_pickle)
    if not candidates:
        raise VectorsError(f"{path}: expected words in UTF-8, found none; convert the file")
    near = list(near) or [word for word in candidates[_USUAL:] if word.isalpha() and len(word) > 3][:_EXAMPLES]
    words: list[str] = []
    counts = np.zeros(0, dtype=np.int64)
    if texts is not None and tokenizer is not None:
        words, counts = count_words(tokens for column in texts for tokens in tokenizer.columns(column))
    vectors = load_vectors(
        path, [*candidates, *near, *words], max_words=max_words, trust_pickle=trust_pickle, progress=progress
    )
    first, last = len(candidates), len(candidates) + len(near)
    rows, queries = vectors.matrix[:first], vectors.matrix[first:last]
    return VectorsFile(
        path=path,
        size=path.stat().st_size,
        format=vectors.format,
        words=vectors.words_in_file,
        dimension=vectors.dimension,
        candidates=len(candidates),
        neighbours=_neighbours(candidates, rows, near, queries, vectors.found[first:last]),
        zero_vectors=frozenset(
            word
            for word, vector, found in zip(near, queries, vectors.found[first:last], strict=True)
            if found and not vector.any()
        ),
        untrained=untrained(rows),
        coverage=None if texts is None else _coverage(words, counts, vectors.found[last:]),
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
    candidates: Sequence[str], rows: np.ndarray, near: Sequence[str], queries: np.ndarray, found: np.ndarray
) -> dict[str, tuple[tuple[str, float], ...] | None]:
    """Return the candidates nearest to each word.

    Args:
        candidates: C words.
        rows: Their vectors, (C, D).
        near: N words.
        queries: Their vectors, (N, D).
        found: bool (N,), whether the file has the word.
    """
    indices = {word: index for index, word in enumerate(candidates)}
    best = nearest_rows(queries, rows, _NEIGHBOURS, [indices.get(word) for word in near])
    neighbours: dict[str, tuple[tuple[str, float], ...] | None] = {}
    for word, vector, is_found, pairs in zip(near, queries, found, best, strict=True):
        named = tuple((candidates[index], cosine) for index, cosine in pairs) if vector.any() else ()
        neighbours[word] = named if is_found else None
    return neighbours
