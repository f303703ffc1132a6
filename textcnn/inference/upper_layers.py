"""The layers above the first, in texts of one length: their convolution, and the words that their responses are to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Convolution = tuple[np.ndarray, np.ndarray]  # weights (h, F', F) and bias (F,)


@dataclass(frozen=True)
class Fields:
    """Receptive fields: the words that each of P positions of a layer depends on, within the text.

    Both ends grow with the position.

    Attributes:
        begins: index of the first word, (P,), or (P, F) where maps differ, or (B, P, ...) where texts do.
        ends: index after the last one, of the same shape.
        axis: of the positions.
    """

    begins: np.ndarray
    ends: np.ndarray
    axis: int = 0

    @classmethod
    def of_words(cls, length: int) -> Fields:
        """Return the words of a text themselves, (L,)."""
        return cls(np.arange(length), np.arange(1, length + 1))

    def wide(self, size: int) -> Fields:
        """Return the fields of a wide convolution of h positions over these."""
        return self._windows(np.arange(1 - size, self._count), size)

    def centred(self, size: int) -> Fields:
        """Return the fields of a convolution that keeps the length (`convolved`)."""
        return self._windows(np.arange(self._count) - size // 2, size)

    def pooled(self, size: int, step: int) -> Fields:
        """Return the fields of the largest of `size` neighbours, at every `step` positions."""
        count = self._count
        return self._windows(np.arange(0, count, min(step, count)), min(size, count))

    @property
    def widest(self) -> np.ndarray:
        """Positions with the most words, in the map that has most; of fields (P,) or (P, F)."""
        words = (self.ends - self.begins).reshape(len(self.begins), -1).max(axis=1)
        return np.flatnonzero(words == words.max())

    def of_maps(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return begins and ends of a position of each map, (B, F); of fields (P,) or (P, F)."""
        maps = np.arange(places.shape[1])
        begins, ends = (
            np.broadcast_to(x.reshape(len(x), -1), (len(x), len(maps)))[places, maps] for x in (self.begins, self.ends)
        )
        return begins, ends

    @property
    def _count(self) -> int:
        return self.begins.shape[self.axis]

    def _windows(self, firsts: np.ndarray, size: int) -> Fields:
        """Return the fields of windows of `size` positions, which may reach beyond these."""
        begins = self.begins.take(firsts, self.axis, mode="clip")
        return Fields(begins, self.ends.take(firsts + size - 1, self.axis, mode="clip"), self.axis)


@dataclass(frozen=True)
class Strongest:
    """The largest response of each of F maps of a layer in B texts of one length; ties go to the first position.

    Attributes:
        responses: before the activation, (B, F).
        begins: index of the first word that the response depends on, (B, F).
        ends: index after the last one, (B, F).
    """

    responses: np.ndarray
    begins: np.ndarray
    ends: np.ndarray


def convolution(weights: dict[str, np.ndarray], name: str) -> Convolution:
    """Return a convolution of the network by its name there, where its weights are (F, F', h)."""
    filters = weights[f"{name}.weight"].transpose(2, 1, 0)
    return np.ascontiguousarray(filters), weights[f"{name}.bias"]  # contiguous, products take half the time


def convolution_shapes(name: str, below: int, maps: int, size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a convolution's arrays: `below` is F', `maps` F and `size` h."""
    return {f"{name}.weight": (maps, below, size), f"{name}.bias": (maps,)}


def convolved(x: np.ndarray, layer: Convolution) -> np.ndarray:
    """Return the responses to x, (B, P, F') to (B, P, F), as `textcnn.nn._convolution.Convolution` does."""
    filters, bias = layer
    size, windows = len(filters), x.shape[1]
    padded = np.pad(x, ((0, 0), (size // 2, (size - 1) // 2), (0, 0)))
    out: np.ndarray = sum((padded[:, j : j + windows] @ filters[j] for j in range(size)), bias)
    return out
