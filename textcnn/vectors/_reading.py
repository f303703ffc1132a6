"""Pretrained word vectors, read in one pass that keeps only the wanted words.

A format is recognised by content, never by suffix, whether gzipped or not: see `textcnn.vectors._formats` for
word2vec, GloVe and fastText ``.vec``, and `textcnn.vectors._keyed_vectors` for gensim's `KeyedVectors`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np

from textcnn.errors import ConfigError, VectorsError
from textcnn.vectors._block_stream import DAMAGED, BlockStream
from textcnn.vectors._formats import recognise
from textcnn.vectors._keyed_vectors import PICKLE, KeyedVectors, load_pickle, open_keyed
from textcnn.vectors._word_rows import Layout, Reader, WantedRows, WordVectors

VectorsSource: TypeAlias = str | PathLike[str] | KeyedVectors
"""A file of word vectors, or a `gensim.models.KeyedVectors`."""


def load_vectors(
    source: VectorsSource,
    words: Sequence[str],
    *,
    dimension: int | None = None,
    max_words: int | None = None,
    trust_pickle: bool = False,
    progress: Callable[[float], None] | None = None,
) -> WordVectors:
    """Return the vectors of `words` from a word-vector file.

    Each word is looked up as it is, then lower-cased, then capitalised; the first spelling that the file has
    wins. If a word occurs more than once in the file, its first vector is kept. The file is read in one pass
    that keeps the wanted rows alone: memory grows with `words`, not with the file. Text formats are checked
    only in the wanted rows, the first and the last; a header that states another number of words gets a warning.

    Args:
        source: A word2vec (binary or text), GloVe or fastText ``.vec`` file, plain or gzipped, or a
            `gensim.models.KeyedVectors`, in memory or, with `trust_pickle`, as the ``.kv`` file that its
            `save` wrote.
        words: The V words wanted, one for each row of the result.
        dimension: The vector length D that is required, if any.
        max_words: Number of words to read from the beginning of the file, usually its most frequent; None
            reads all. The rest of the file is not checked.
        trust_pickle: Whether gensim may load a ``.kv`` file. Such a file is a pickle, which can run any code:
            trust only files of known origin.
        progress: Called now and then with the share of the file read, from 0 to 1.

    Returns:
        `WordVectors`: `matrix` is float32 (V, D) with zeros for words that were not found, `found` is bool (V,).

    Raises:
        VectorsError: The file is missing, unreadable, truncated, damaged, in another format or of another
            dimension than required; it is a pickle and not trusted; a wanted vector is not finite; or none of
            the words is in the file.
        ConfigError: `max_words` is out of range.

    Example:
        >>> vectors = textcnn.load_vectors("GoogleNews-vectors-negative300.bin.gz", ["good", "bad"])
        >>> vectors.matrix.shape, vectors.coverage
        ((2, 300), 1.0)
    """
    words = _checked_words(words)
    with _opened(source, trust_pickle=trust_pickle, progress=progress) as (name, layout, read):
        if dimension is not None and layout.dimension != dimension:
            raise VectorsError(
                f"{name}: expected {dimension}-dimensional vectors, found {layout.dimension} dimensions; "
                f"use another file or ask for {layout.dimension} dimensions"
            )
        rows = WantedRows(name, words, layout, _checked_limit(max_words))
        rest = read(rows)
    return rows.finish(rest)


def check_vectors(path: Path) -> None:
    """Raise VectorsError if there is no file that can be read at a path, before any work is done."""
    with BlockStream(path, None):
        pass


def first_words(
    source: VectorsSource, limit: int, *, max_words: int | None = None, trust_pickle: bool = False
) -> list[str]:
    """Return the first words of a file, by custom the most frequent of the texts that it was trained on.

    Args:
        source: As for `load_vectors`.
        limit: Number of words to return at most. Reading stops there: the rest of the file is not checked.
        max_words: As for `load_vectors`.
        trust_pickle: As for `load_vectors`.

    Returns:
        Distinct words in the order of the file, without those that are not UTF-8. A GloVe word with spaces
        is cut at the first.

    Raises:
        VectorsError: The file is missing, unreadable, damaged or in another format, or a pickle and not trusted.
        ConfigError: `max_words` is out of range.
    """
    with _opened(source, trust_pickle=trust_pickle, progress=None) as (name, layout, read):
        first = _FirstWords(name, layout, limit, _checked_limit(max_words))
        with suppress(_EnoughError):
            read(first)
    words: dict[str, None] = {}
    for word in first.names:
        try:
            words[word.decode()] = None
        except UnicodeDecodeError:
            continue
    return list(words)[:limit]


def all_vectors(
    source: VectorsSource,
    *,
    max_words: int | None = None,
    trust_pickle: bool = False,
    progress: Callable[[float], None] | None = None,
) -> tuple[dict[str, int], np.ndarray]:
    """Return all words of a file and their vectors.

    If a word occurs more than once, its first vector is kept; words that are not UTF-8 are skipped. Both get a warning.

    Args:
        source: As for `load_vectors`.
        max_words: As for `load_vectors`.
        trust_pickle: As for `load_vectors`.
        progress: As for `load_vectors`.

    Returns:
        The row of each of V words, in the order of the file, and float32 (V, D).

    Raises:
        VectorsError: As for `load_vectors`, whatever words are wanted.
        ConfigError: `max_words` is out of range.
    """
    with _opened(source, trust_pickle=trust_pickle, progress=progress) as (name, layout, read):
        rows = _AllRows(name, layout, _checked_limit(max_words))
        rest = read(rows)
    rows.check_end(rest)
    rows.warn()
    return rows.words, np.frombuffer(rows.numbers, np.float32).reshape(-1, layout.dimension)


def _checked_words(words: Sequence[str]) -> list[str]:
    if isinstance(words, (str, bytes)) or not len(words):
        raise VectorsError(f"expected a list of words to look up, found {words!r}; pass at least one word")
    words = list(words)
    odd = [word for word in words if not isinstance(word, str)]
    if odd:
        raise VectorsError(f"expected strings as words to look up, found {odd[0]!r}; convert them to strings")
    return words


def _checked_limit(max_words: int | None) -> int | None:
    if max_words is not None and (not isinstance(max_words, int) or isinstance(max_words, bool) or max_words < 1):
        raise ConfigError(f"max_words: expected a whole number of at least 1, found {max_words!r}")
    return max_words


@contextmanager
def _opened(
    source: VectorsSource, *, trust_pickle: bool, progress: Callable[[float], None] | None
) -> Iterator[tuple[str, Layout, Reader]]:
    """Open a source: its name for messages, its layout, and what reads it."""
    if isinstance(source, KeyedVectors):
        name = "KeyedVectors"
        yield name, *open_keyed(name, source, progress)
        return
    if not isinstance(source, (str, PathLike)):
        raise VectorsError(
            f"expected a path or gensim KeyedVectors, found {type(source).__name__}; "
            "pass one of them (of a gensim model, its `wv`)"
        )
    path = Path(source)
    with BlockStream(path, progress) as stream:
        if not stream.head:
            raise VectorsError(f"{path}: expected word vectors, found an empty file; {DAMAGED}")
        if stream.head.startswith(PICKLE):
            keyed = load_pickle(path, stream.head, trust_pickle=trust_pickle)
            yield str(path), *open_keyed(str(path), keyed, progress)
        else:
            yield str(path), *recognise(stream)


class _EnoughError(Exception):
    """As many words as were asked for have been read."""


class _FirstWords(WantedRows):
    """Collects words, and no vector."""

    def __init__(self, name: str, layout: Layout, limit: int, max_words: int | None) -> None:
        super().__init__(name, [], layout, max_words)
        self.names: list[bytes] = []
        self._enough = limit

    def count(self, words: list[bytes]) -> None:
        """Take the words of a block, and stop once there are enough."""
        super().count(words)
        self.names += words
        if len(self.names) >= self._enough:
            raise _EnoughError


class _Everything:
    """Contains any word."""

    def __contains__(self, word: object) -> bool:
        return True


class _AllRows(WantedRows):
    """Keeps the vectors of all words."""

    def __init__(self, name: str, layout: Layout, max_words: int | None) -> None:
        super().__init__(name, [], layout, max_words)
        self.words: dict[str, int] = {}
        self.numbers = bytearray()  # grows with what is read: a header may state any number of words
        self.wanted = _Everything()

    def first_pieces(self) -> Container[bytes]:
        """Return what contains the beginning of any line."""
        return self.wanted

    def put(self, word: bytes, values: np.ndarray, where: str) -> None:
        """Keep the vector of a word that is new and UTF-8."""
        try:
            key = word.decode()
        except UnicodeDecodeError:
            return
        if key in self.words:
            self.duplicates += 1
            return
        self.check_finite(word, values, where)
        self.words[key] = len(self.words)
        self.numbers += values.tobytes()
