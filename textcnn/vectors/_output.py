"""What all that write word vectors share: the words of texts, their progress, and the file."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from textcnn.errors import ConfigError, VectorsError
from textcnn.files import check_output, written_whole
from textcnn.text.columns import Texts, as_column
from textcnn.vectors._formats import MAX_WORD

StepProgress = Callable[[str, float], None]
"""Called with the name of a step and the share of the work done, from 0 to 1."""


def no_progress(step: str, share: float) -> None:
    """Ignore progress."""


def check_whole_number(name: str, value: object, least: int, most: int) -> None:
    """Raise ConfigError unless a setting is a whole number within its bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigError(f"{name}: expected a whole number from {least:,} to {most:,}, found {value!r}")


def columns_of(texts: Texts) -> Iterator[pa.ChunkedArray]:
    """Yield texts as Arrow columns: of one container, or of each that an iterator yields."""
    if isinstance(texts, Iterator):
        for part in texts:
            yield as_column(part)
    else:
        yield as_column(texts)


def fits(word: str) -> bool:
    """Return whether a word2vec file can hold a word: a space ends it, and a newline may stand before it."""
    return bool(word) and not {" ", "\n"} & set(word) and len(word.encode()) < MAX_WORD


def frequent_words(words: Sequence[str], counts: np.ndarray, min_count: int) -> dict[str, int]:
    """Return the words that occur `min_count` times or more and fit a word2vec file, with their counts.

    Args:
        words: W words, the most frequent first.
        counts: How often each occurs, (W,).
        min_count: The least number of occurrences.

    Raises:
        VectorsError: None remains.
    """
    kept = {word: int(count) for word, count in zip(words, counts, strict=True) if count >= min_count and fits(word)}
    if not kept:
        times = "once" if min_count == 1 else f"{min_count} times"
        raise VectorsError(
            f"expected words that occur {times} or more in the texts, found none among {len(words):,} words; "
            "give more texts or lower min_count (--min-count)"
        )
    return kept


@contextmanager
def vectors_file(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Open a file of word vectors that appears at `path` whole or not at all.

    Raises:
        VectorsError: It cannot be written, or it exists and `overwrite` is false.
    """
    check_output(path, overwrite=overwrite, error=VectorsError)
    with writing(path), written_whole(path) as file:
        yield file


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError into the VectorsError that says that a file could not be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise VectorsError(f"{path}: could not write it: {reason}; fix that or write elsewhere") from error


def write_vectors(
    words: Sequence[str], rows: Iterable[np.ndarray], dimension: int, file: IO[bytes], *, zipped: bool
) -> None:
    """Write word2vec binary without the optional newlines, as gensim does.

    Args:
        words: V words.
        rows: V vectors of length `dimension`.
        dimension: D.
        file: The file, open for writing.
        zipped: Whether to gzip it.
    """
    stream: Any = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if zipped else nullcontext(file)
    with stream as out:
        out.write(b"%d %d\n" % (len(words), dimension))
        for word, row in zip(words, rows, strict=True):
            out.write(word.encode() + b" " + row.astype("<f4").tobytes())
