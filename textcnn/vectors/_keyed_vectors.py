"""gensim's `KeyedVectors`: in memory, or in a file that `save` wrote, usually named ``.kv``.

Such a file is a pickle, which can run any code when it is loaded: gensim loads it only if the caller trusts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from textcnn.errors import VectorsError
from textcnn.vectors._word_rows import MAX_DIMENSION, Layout, Reader, WantedRows

PICKLE = b"\x80"  # the first byte of every pickle of protocol 2 or newer

_BLOCK = 1 << 16  # words


@runtime_checkable
class KeyedVectors(Protocol):
    """What is used of a `gensim.models.KeyedVectors`."""

    @property
    def index_to_key(self) -> Sequence[str | None]:
        """The V words; None where a row is reserved but empty."""

    @property
    def vectors(self) -> np.ndarray:
        """Their vectors, floating point (V, D)."""


def load_pickle(path: Path, head: bytes, *, trust_pickle: bool) -> object:
    """Load a pickled `KeyedVectors`, or those of a pickled gensim model.

    Args:
        path: The file.
        head: Its first bytes.
        trust_pickle: Whether to unpickle it.

    Raises:
        VectorsError: The file is not trusted, or gensim cannot load it.
    """
    if not trust_pickle:
        vectors = f"KeyedVectors.load({str(path)!r})" + ("" if b"KeyedVectors" in head[:100] else ".wv")
        binary = str(path.with_name(path.name.removesuffix(".gz")).with_suffix(".bin"))
        raise VectorsError(
            f"{path}: expected a file of plain vectors, found a pickle, which can run code when it is loaded; "
            "if you trust it, allow it with --trust-pickle (trust_pickle=True) or convert it in Python: "
            f"{vectors}.save_word2vec_format({binary!r}, binary=True)"
        )
    from gensim.models import KeyedVectors as GensimVectors

    # Large arrays lie in files of their own; mapped, only the wanted rows are read. gensim maps no zipped array.
    mmap = None if path.suffix in (".gz", ".bz2") else "r"
    try:
        loaded = GensimVectors.load(str(path), mmap=mmap)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise VectorsError(
            f"{path}: expected a pickle of gensim KeyedVectors, found one that gensim cannot load ({reason}); "
            "check the file and those that gensim saved with it"
        ) from error
    return getattr(loaded, "wv", loaded)


def open_keyed(name: str, keyed: object, progress: Callable[[float], None] | None) -> tuple[Layout, Reader]:
    """Check a `KeyedVectors`, and return its layout and what reads it.

    Args:
        name: The source, for messages.
        keyed: The object.
        progress: Called now and then with the share read, from 0 to 1.

    Raises:
        VectorsError: It is something else, its words are not strings, or its vectors are not a matrix of V rows.
    """
    if not isinstance(keyed, KeyedVectors):
        raise VectorsError(
            f"{name}: expected gensim KeyedVectors (gensim 4 or newer), found {_kind(keyed)}; "
            "pass what `KeyedVectors.save` wrote"
        )
    words = list(keyed.index_to_key)
    odd = next((word for word in words if word is not None and not isinstance(word, str)), None)
    if odd is not None:
        raise VectorsError(f"{name}: expected strings as the keys of KeyedVectors, found {odd!r}; use strings")
    matrix: Any = np.asarray(keyed.vectors)  # an array mapped from a file stays mapped
    shape = " x ".join(f"{size:,}" for size in matrix.shape)
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or not 1 <= matrix.shape[1] <= MAX_DIMENSION:
        raise VectorsError(
            f"{name}: expected a matrix of floating-point numbers with 1 to {MAX_DIMENSION:,} columns as vectors, "
            f"found {matrix.dtype} ({shape}); convert them"
        )
    count = sum(word is not None for word in words)
    if not count or len(matrix) != len(words):
        raise VectorsError(f"{name}: expected one vector for each word, found {len(words):,} words and {shape} vectors")
    return Layout("gensim KeyedVectors", matrix.shape[1], count), partial(_read, words, matrix, progress)


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _read(
    words: Sequence[str | None], matrix: np.ndarray, progress: Callable[[float], None] | None, rows: WantedRows
) -> bytes:
    """Keep the rows of the wanted words; nothing remains."""
    for start in range(0, len(words), _BLOCK):
        names: list[bytes] = []
        room = rows.room()
        for index, word in enumerate(words[start : start + _BLOCK], start):
            if len(names) == room:
                break
            if word is None:
                continue
            name = word.encode("utf-8", "surrogatepass")
            if name in rows.wanted:
                with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which is refused
                    rows.put(name, matrix[index].astype(np.float32), f"word {index + 1:,}")
            names.append(name)
        rows.count(names)
        if progress is not None:
            progress(min(start + _BLOCK, len(words)) / len(words))
    return b""
