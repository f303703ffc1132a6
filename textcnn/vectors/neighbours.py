"""Words whose rows are near each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn.text.vocabulary import FIRST_WORD

# Words whose neighbours tell what tuning has done: word2vec has good beside bad.
PROBES = ("good", "bad", "great", "terrible", "not", "never")
NEAREST = 6


def nearest(rows: np.ndarray, ids: Sequence[int], count: int) -> list[list[tuple[int, float]]]:
    """The nearest other words of some words, by the cosine of their rows.

    Args:
        rows: of the whole vocabulary, (V, ...), padding and the unknown word among them.
        ids: U of the words.
        count: how many neighbours.

    Returns:
        For each of the words ids and cosines, the nearest first.
    """
    flat = rows.reshape(len(rows), -1)[FIRST_WORD:]  # (V, D)
    unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    wanted = np.array(ids, np.int64) - FIRST_WORD
    cosines = unit[wanted] @ unit.T  # (U, V)
    cosines[np.arange(len(wanted)), wanted] = -np.inf
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    return [
        [(int(i) + FIRST_WORD, float(cosine[i])) for i in row if np.isfinite(cosine[i])]
        for row, cosine in zip(order, cosines, strict=True)
    ]


def neighbours_of_probes(rows: np.ndarray, words: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    """The nearest words of those of `PROBES` that are in a vocabulary, with their cosines.

    Args:
        rows: as for `nearest`.
        words: the vocabulary, without padding and the unknown word.
    """
    probes = [word for word in PROBES if word in set(words)]
    numbers = {word: number for number, word in enumerate(words, FIRST_WORD)}
    found = nearest(rows, [numbers[word] for word in probes], NEAREST) if probes else []
    return {
        probe: [(words[number - FIRST_WORD], round(cosine, 4)) for number, cosine in near]
        for probe, near in zip(probes, found, strict=True)
    }
