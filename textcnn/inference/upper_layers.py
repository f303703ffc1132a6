"""Convolution of the layers above the first, in texts of one length."""

from __future__ import annotations

import numpy as np

Convolution = tuple[np.ndarray, np.ndarray]  # weights (h, F', F) and bias (F,)


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
