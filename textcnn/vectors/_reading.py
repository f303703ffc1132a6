"""Pretrained word vectors, read in one pass that keeps only the words asked for.

Formats are recognised by their content and never by their suffix, plain or gzipped: see
`textcnn.vectors._formats` for word2vec, GloVe and fastText ``.vec``, `textcnn.vectors._keyed` for
gensim's ``.kv``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path

from textcnn.errors import VectorsError
from textcnn.vectors._formats import recognise
from textcnn.vectors._keyed import PICKLE, read_keyed
from textcnn.vectors._source import DAMAGED, Source
from textcnn.vectors._word_rows import Layout, Reader, Rows, WordVectors


def load_vectors(
    path: str | PathLike[str],
    words: Sequence[str],
    *,
    dimension: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> WordVectors:
    """Read the vectors of `words` from a word-vector file.

    A word is looked up as it is, then lower-cased, then capitalised: the earlier spelling wins,
    wherever the file has it. Of a word that the file holds twice the first vector counts. In text
    formats, numbers are read for wanted words and for the first and the last row alone. Nothing
    in a file is ever run.

    Args:
        path: A word2vec (binary or text), GloVe, fastText ``.vec`` or gensim ``.kv`` file, plain or
            gzipped. What gensim stored beside a ``.kv`` must stand beside it.
        words: The V words wanted, in the order of the rows to return.
        dimension: The D that the caller needs, if it is already settled.
        progress: Called now and then with the share of the file read, from 0 to 1.

    Returns:
        The vectors, with what is known of the file.

    Raises:
        VectorsError: The file is missing, unreadable, foreign, damaged, truncated or of another
            dimension; a wanted vector is not finite; or none of the words is in the file.
    """
    path = Path(path)
    if isinstance(words, str) or not words:
        raise VectorsError(f"expected a list of words to look up, found {words!r}; pass at least one word")
    with Source(path, progress) as source:
        layout, read = _open(source)
        if dimension is not None and layout.dimension != dimension:
            raise VectorsError(
                f"{path}: expected {dimension}-dimensional vectors, found {layout.dimension} dimensions; "
                f"use another file or ask for {layout.dimension} dimensions"
            )
        rows = Rows(path, words, layout.dimension)
        rest = read(rows)
    return rows.finish(layout, rest)


def first_words(path: str | PathLike[str], limit: int) -> list[str]:
    """The first words of a file, which by custom are the most frequent of the texts it was trained on.

    Args:
        path: As for `load_vectors`.
        limit: How many at most. Reading stops there: the rest of the file is not checked.

    Returns:
        Distinct words in the order of the file, without those that are not UTF-8. Of a GloVe word
        with spaces only the part before the first is seen.

    Raises:
        VectorsError: The file is missing, unreadable, foreign or damaged.
    """
    with Source(Path(path), None) as source:
        layout, read = _open(source)
        names = _Names(source.path, layout.dimension, limit)
        with suppress(_EnoughError):
            read(names)
    words: dict[str, None] = {}
    for name in names.names:
        try:
            words[name.decode()] = None
        except UnicodeDecodeError:
            continue
    return list(words)[:limit]


def _open(source: Source) -> tuple[Layout, Reader]:
    if not source.head:
        raise VectorsError(f"{source.path}: expected word vectors, found an empty file; {DAMAGED}")
    return (read_keyed if source.head.startswith(PICKLE) else recognise)(source)


class _EnoughError(Exception):
    """As many words as were asked for have been read."""


class _Names(Rows):
    """Collects the words of a file, and no vector."""

    def __init__(self, path: Path, dimension: int, limit: int) -> None:
        super().__init__(path, [], dimension)
        self.names: list[bytes] = []
        self._limit = limit

    def count(self, words: list[bytes]) -> None:
        """Take the words of a block, until there are enough."""
        super().count(words)
        self.names += words
        if len(self.names) >= self._limit:
            raise _EnoughError
