"""Nearest neighbours: the words whose vectors have the largest cosines with that of a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn.text.vocabulary import FIRST_WORD

# Words whose neighbours show what fine-tuning does: in word2vec, `good` and `bad` are close.
PROBES = ("good", "bad", "great", "terrible", "not", "never")
NEAREST = 6

_SMALLEST = 1e-12  # a norm to divide by; the cosines of a zero vector are 0


def unit_rows(matrix: np.ndarray) -> np.ndarray:
    """Return the rows of a matrix (V, D) scaled to length 1; rows of zeros stay zeros."""
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), _SMALLEST)


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
