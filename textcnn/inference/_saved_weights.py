"""The arrays of a saved model, checked as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from textcnn.errors import ModelError
from textcnn.inference.codes import BUCKETS, NGRAMS, Compression, from_saved
from textcnn.text import subwords
from textcnn.text.vocabulary import FIRST_WORD

_LARGEST_WEIGHT = 1e12
_NUMBERS = {NGRAMS: np.int64, BUCKETS: np.int32}  # rising


def load_weights(content: bytes, path: Path) -> tuple[dict[str, np.ndarray], Compression | None]:
    """Return the arrays of a safetensors file, float32 but for the numbers of n-grams, and how they are saved.

    Raises:
        ModelError: the file, or an array in it, is not what it should be.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as tensors_from_bytes

    try:
        saved = tensors_from_bytes(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{path}: expected safetensors of float32 arrays, found something else") from None
    try:
        weights, compression = from_saved(saved)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    for name, weight in weights.items():
        if name in _NUMBERS:
            if weight.dtype != _NUMBERS[name] or weight.ndim != 1 or (np.diff(weight) <= 0).any():
                raise ModelError(f"{path}: expected rising whole numbers in {name}, found others")
        elif weight.dtype != np.float32:
            raise ModelError(f"{path}: expected float32 numbers in {name}, found {weight.dtype}")
    check_sizes(weights, path)
    buckets = weights.get(BUCKETS, np.zeros(0))
    if len(buckets) and not 0 <= buckets[0] <= buckets[-1] < subwords.BUCKETS:
        raise ModelError(f"{path}: expected numbers from 0 to {subwords.BUCKETS - 1} in {BUCKETS}, found others")
    return weights, compression


def check_sizes(weights: Mapping[str, np.ndarray], path: Path) -> None:
    """Raise ModelError unless all numbers are finite, and so small that a layer's sums are finite too."""
    for name, weight in weights.items():
        if (
            name not in _NUMBERS
            and weight.size
            and not -_LARGEST_WEIGHT <= weight.min() <= weight.max() <= _LARGEST_WEIGHT
        ):
            raise ModelError(
                f"{path}: expected finite numbers from {-_LARGEST_WEIGHT:g} to {_LARGEST_WEIGHT:g} in {name}, found "
                "others; train the model again, with a smaller learning rate"
            )


def check_ngrams(keys: np.ndarray, order: int, vocabulary_size: int, path: Path) -> None:
    """Raise ModelError unless each number is that of 1 to `order` known words (`textcnn.text.ngrams`)."""
    left, right = keys, vocabulary_size**order < 1 << 63 and bool((keys > 0).all())
    for _ in range(order if right else 0):
        left, word = np.divmod(left, vocabulary_size)
        right = right and bool(((word >= FIRST_WORD) | ((word == 0) & (left == 0))).all())
    if not right or left.any():
        raise ModelError(
            f"{path}: expected in {NGRAMS} the numbers of n-grams of 1 to {order} of the model's words, found others"
        )
