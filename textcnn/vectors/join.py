"""Several word-vector files as one: each word's vectors side by side.

The parts weigh alike: each file is multiplied by one number, so that the words which all files have get vectors of mean
squared length 1 from each. (Over all words of a file it would depend on how many rare ones, which often have short
vectors, it has.) A file that lacks a word gives it zeros, which add nothing to a product with a filter or another word;
the mean of the file's vectors would make all such words alike.

Source: Yin and Schütze (2016), Learning Word Meta-Embeddings, whose baseline it is. They scale every vector to length
1; here a file's longer vectors stay longer.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textcnn.errors import ConfigError, VectorsError
from textcnn.vectors._output import StepProgress, fits, no_progress, vectors_file, write_vectors
from textcnn.vectors._reading import all_vectors, check_vectors
from textcnn.vectors._word_rows import MAX_DIMENSION

logger = logging.getLogger(__name__)

_BLOCK = 4096  # rows that are in double precision at once


@dataclass(frozen=True)
class JoinedPart:
    """A file that was joined.

    Attributes:
        path: The file.
        words: Number of words read from it.
        dimension: Length of its vectors.
        scale: What its vectors were multiplied by.
    """

    path: Path
    words: int
    dimension: int
    scale: float


@dataclass(frozen=True)
class JoinedVectors:
    """What `join_vectors` wrote.

    Attributes:
        path: The file.
        size: Its size in bytes.
        words: Number of words in it.
        shared: Number of words that all the files have.
        dimension: Length of a vector: the sum of the parts'.
        parts: The files, in the order of their parts.
        seconds: Time taken, including reading and writing.
    """

    path: Path
    size: int
    words: int
    shared: int
    dimension: int
    parts: tuple[JoinedPart, ...]
    seconds: float


def join_vectors(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    max_words: int | None = None,
    trust_pickle: bool = False,
    overwrite: bool = False,
    progress: StepProgress | None = None,
) -> JoinedVectors:
    """Write the vectors of several files side by side, as one word2vec binary file.

    The words are those of the first file in its order, then those that each further file adds. Memory holds the vectors
    of all files. `output` appears whole at the end, or not at all.

    Args:
        files: Two files or more, as for `load_vectors`.
        output: The file to write; gzipped if the name ends in ``.gz``.
        max_words: Number of words to read from the beginning of each file; None reads all.
        trust_pickle: As for `load_vectors`.
        overwrite: Whether to replace an existing file.
        progress: Called with the name of each step and the share of it done, from 0 to 1.

    Returns:
        What was written.

    Raises:
        ConfigError: There is one file only, one is given twice, or `max_words` is out of range.
        VectorsError: A file cannot be read (see `load_vectors`), the files share no word whose vectors are not zero,
            the vectors would be too long, or the file cannot be written.

    Example:
        >>> join_vectors(["glove.6B.50d.txt", "vectors.bin"], "joined.bin").dimension
        350
    """
    begin = time.monotonic()
    paths, path, show = [Path(file) for file in files], Path(output), progress or no_progress
    _check_files(paths)
    with vectors_file(path, overwrite=overwrite) as file:
        tables = [
            all_vectors(
                source,
                max_words=max_words,
                trust_pickle=trust_pickle,
                progress=lambda share, step=f"reading {source}": show(step, share),  # type: ignore[misc]
            )
            for source in paths
        ]
        matrices = [matrix for _, matrix in tables]
        indices = [rows for rows, _ in tables]
        dimension = sum(matrix.shape[1] for matrix in matrices)
        if dimension > MAX_DIMENSION:
            raise VectorsError(
                f"expected vectors of at most {MAX_DIMENSION:,} numbers, found {dimension:,}; join fewer"
            )
        shared = [word for word in indices[0] if all(word in rows for rows in indices[1:])]
        scales = [
            _scale(matrix, np.array([rows[word] for word in shared], np.int64), source)
            for rows, matrix, source in zip(indices, matrices, paths, strict=True)
        ]
        words = _writable(dict.fromkeys(word for rows in indices for word in rows))
        show("writing", 0.0)
        write_vectors(words, _joined(words, indices, matrices, scales), dimension, file, zipped=path.suffix == ".gz")
    return JoinedVectors(
        path=path,
        size=path.stat().st_size,
        words=len(words),
        shared=len(shared),
        dimension=dimension,
        parts=tuple(
            JoinedPart(source, len(matrix), matrix.shape[1], scale)
            for source, matrix, scale in zip(paths, matrices, scales, strict=True)
        ),
        seconds=time.monotonic() - begin,
    )


def _check_files(paths: Sequence[Path]) -> None:
    """Check the files before any is read whole."""
    if len(paths) < 2:
        found = paths[0] if paths else "none"
        raise ConfigError(f"expected two files of word vectors or more to join, found {found}; name the others too")
    for index, path in enumerate(paths):
        check_vectors(path)
        if any(path.samefile(other) for other in paths[:index]):
            raise ConfigError(f"{path}: expected different files to join, found this one twice; leave one out")


def _scale(matrix: np.ndarray, shared: np.ndarray, path: Path) -> float:
    """Return what to multiply a file by so that the vectors of the shared words have mean squared length 1.

    Args:
        matrix: The vectors of the file, (V, D).
        shared: The rows of the words that all files have, (S,).
        path: The file, for the errors.
    """
    if not len(shared):
        raise VectorsError(
            f"{path}: expected words that all the files have, found none; are they in one language and spelling?"
        )
    squares = sum(
        float(np.square(matrix[shared[start : start + _BLOCK]], dtype=np.float64).sum())
        for start in range(0, len(shared), _BLOCK)
    )
    if not squares:
        raise VectorsError(f"{path}: expected vectors of the words that all the files have, found zeros; use another")
    return float(np.sqrt(len(shared) / squares))


def _writable(words: dict[str, None]) -> list[str]:
    """Return the words that a word2vec file can hold."""
    kept = [word for word in words if fits(word)]
    if len(kept) < len(words):
        odd = next(word for word in words if not fits(word))
        logger.warning(
            "%d words with a space or a line break, such as %r, are left out: a word2vec file cannot hold them",
            len(words) - len(kept),
            odd[:40],
        )
    return kept


def _joined(
    words: Sequence[str], indices: Sequence[dict[str, int]], matrices: Sequence[np.ndarray], scales: Sequence[float]
) -> Iterator[np.ndarray]:
    """Yield the joined vector of each word, float32 (D,)."""
    for word in words:
        row = np.zeros(sum(matrix.shape[1] for matrix in matrices), np.float32)
        end = 0
        for rows, matrix, scale in zip(indices, matrices, scales, strict=True):
            begin, end = end, end + matrix.shape[1]
            if word in rows:
                row[begin:end] = matrix[rows[word]] * np.float32(scale)
        yield row
