"""Nearest neighbours: the words whose vectors have the largest cosines with that of a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn.text.vocabulary import FIRST_WORD

# Words whose neighbours show what fine-tuning does: in word2vec, `good` and `bad` are close.
PROBES = ("good", "bad", "great", "terrible", "not", "never")
NEAREST = 6

_COMPARED = 100  # first words of a file, usually the most frequent, whose vectors are compared with each other
_ALIKE = 0.9  # mean cosine of vectors that differ too little; those of a trained file are far below
_RANDOM = (0.9, 1.1)  # mean squared cosine of random vectors, times their length; trained ones are far above
_SMALLEST = 1e-12  # a norm to divide by; the cosines of a zero vector are 0


def unit_rows(matrix: np.ndarray) -> np.ndarray:
    """Return the rows of a matrix (V, D) scaled to length 1; rows of zeros stay zeros."""
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), _SMALLEST)


def untrained(rows: np.ndarray) -> str | None:
    """Return what shows that vectors are hardly trained, or None.

    Args:
        rows: Vectors of words, the most frequent first, (V, D).

    Returns:
        That the first are all zero, have almost the same direction, as after too little training, or are spread as
        evenly as random ones.
    """
    rows = rows[:_COMPARED]
    unit = unit_rows(rows[rows.any(axis=1)]).astype(np.float64)
    count, dimension = unit.shape
    if not count:
        return f"the vectors of the first {len(rows):,} words are zero" if len(rows) else None
    if count < 3:
        return None
    cosines = (unit @ unit.T)[~np.eye(count, dtype=bool)]
    mean, spread = cosines.mean(), np.square(cosines).mean() * dimension
    if mean >= _ALIKE:
        found = f"almost the same (mean cosine {mean:.2f}): too little training"
        return f"the vectors of the first {count:,} words are {found}"
    if count == _COMPARED and _RANDOM[0] < spread < _RANDOM[1]:
        return f"the vectors of the first {count:,} words look random: they are as far apart as vectors drawn by chance"
    return None


def nearest_rows(
    queries: np.ndarray, rows: np.ndarray, count: int, own: Sequence[int | None]
) -> list[list[tuple[int, float]]]:
    """Return the rows nearest to each query by cosine.

    Args:
        queries: (N, D).
        rows: (V, D).
        count: Number of neighbours at most.
        own: For each query the index of the row that is its own word and no neighbour, or None.

    Returns:
        For each query, row indices and cosines, the nearest first; ties go to the smaller index.
    """
    cosines = unit_rows(queries) @ unit_rows(rows).T  # (N, V)
    for cosine, index in zip(cosines, own, strict=True):
        if index is not None:
            cosine[index] = -np.inf
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]  # (N, count)
    return [
        [(int(i), float(cosine[i])) for i in best if np.isfinite(cosine[i])]
        for best, cosine in zip(order, cosines, strict=True)
    ]


def nearest(rows: np.ndarray, ids: Sequence[int], count: int) -> list[list[tuple[int, float]]]:
    """Return the nearest other words of some words of a vocabulary.

    Args:
        rows: Rows of the whole vocabulary, (V, ...), including padding and the unknown word.
        ids: Ids of the N words.
        count: Number of neighbours at most.

    Returns:
        For each of the words, ids and cosines, the nearest first; ties go to the smaller id.
    """
    flat = rows.reshape(len(rows), -1)[FIRST_WORD:]  # (V - FIRST_WORD, D)
    own = [number - FIRST_WORD for number in ids]
    found = nearest_rows(flat[np.array(own, np.int64)], flat, count, own)
    return [[(index + FIRST_WORD, cosine) for index, cosine in best] for best in found]


def neighbours_of_probes(rows: np.ndarray, words: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    """Return the nearest words, with their cosines, of those `PROBES` that are in a vocabulary.

    Args:
        rows: As for `nearest`.
        words: The vocabulary without padding and the unknown word.
    """
    numbers = {word: number for number, word in enumerate(words, FIRST_WORD)}
    probes = [word for word in PROBES if word in numbers]
    found = nearest(rows, [numbers[word] for word in probes], NEAREST) if probes else []
    return {
        probe: [(words[number - FIRST_WORD], round(cosine, 4)) for number, cosine in best]
        for probe, best in zip(probes, found, strict=True)
    }
