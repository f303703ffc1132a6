"""A model whose arrays are saved as whole numbers of 8 or 16 bits, each times a scale.

In the file such an array has the type int8 or int16, and beside it there is `NAME.scale`, float32: what 1 stands for
in each row, or in each column of the weights of n-grams. The numbers of the n-grams are saved as differences of 32 bits
where these are enough. A loaded model has float32 numbers again, the same each time it is saved and loaded.
`table.scale`, (R, F), is that of the table of projected words (`textcnn.inference._look_up_table`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from textcnn.errors import ModelError

BITS = {8: np.int8, 16: np.int16}
NGRAMS = "ngrams.keys"  # numbers of n-grams, rising; arrays but these and the next are float32
BUCKETS = "channels.subwords.buckets"  # of character n-grams, rising; int32
TABLE = "table"
_SCALE = ".scale"
_BY_COLUMN = ("ngrams.weight", "ngrams.factors")
_AS_THEY_ARE = ("softmax.weight", NGRAMS, BUCKETS)


@dataclass(frozen=True)
class Compression:
    """How arrays are saved.

    Attributes:
        bits: of a number, 8 or 16.
        scales: what 1 stands for, by array, of a shape that numpy broadcasts to the array's; and `table`, (R, F).
    """

    bits: int
    scales: Mapping[str, np.ndarray]


def largest_code(bits: int) -> int:
    """Return the largest whole number used; the least is its negative."""
    return int(np.iinfo(BITS[bits]).max)


def codes_of(numbers: np.ndarray, scale: np.ndarray, bits: int) -> np.ndarray:
    """Return numbers divided by their scale, as whole numbers."""
    most = largest_code(bits)
    return np.clip(np.rint(numbers / scale), -most, most).astype(BITS[bits])


def scale_of(largest: np.ndarray, bits: int) -> np.ndarray:
    """Return the scale of numbers with these largest magnitudes, 1 where all are 0."""
    found = (largest / largest_code(bits)).astype(np.float32)
    return np.where(found > 0, found, np.float32(1))


def compressed(weights: Mapping[str, np.ndarray], bits: int) -> tuple[dict[str, np.ndarray], Compression]:
    """Return the arrays with their numbers rounded, and how they are saved.

    Biases and the softmax layer, which are small, stay as they are.
    """
    rounded, scales = dict(weights), {}
    for name, numbers in weights.items():
        if name in _AS_THEY_ARE or (numbers.ndim < 2 and name not in _BY_COLUMN) or not numbers.size:
            continue
        axis = 0 if name in _BY_COLUMN else -1
        scales[name] = scale_of(np.abs(numbers).max(axis=axis, keepdims=True), bits)
        rounded[name] = codes_of(numbers, scales[name], bits) * scales[name]
    return rounded, Compression(bits, scales)


def to_saved(weights: Mapping[str, np.ndarray], compression: Compression) -> dict[str, np.ndarray]:
    """Return the arrays of a model's file."""
    out = dict(weights)
    for name, scale in compression.scales.items():
        if name != TABLE:
            out[name] = codes_of(weights[name], scale, compression.bits)
        out[name + _SCALE] = scale
    if NGRAMS in weights:
        steps = np.diff(weights[NGRAMS], prepend=0)
        if (steps < 1 << 32).all():
            out[NGRAMS] = steps.astype(np.uint32)
    return out


def from_saved(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], Compression | None]:
    """Return what `to_saved` was given, or any other arrays as they are.

    Raises:
        ModelError: an array of whole numbers without a scale, scales that are not finite numbers above 0, of another
            shape, or of no array, or arrays of 8 bits beside such of 16.
    """
    bits = {8 * array.itemsize for array in arrays.values() if array.dtype in (np.int8, np.int16)}
    if not bits:
        return dict(arrays), None
    if len(bits) > 1:
        raise ModelError("expected whole numbers of 8 or 16 bits, found both")
    scales = {name.removesuffix(_SCALE): scale for name, scale in arrays.items() if name.endswith(_SCALE)}
    out = {name: array for name, array in arrays.items() if not name.endswith(_SCALE)}
    for name, scale in scales.items():
        right = scale.dtype == np.float32 and bool((np.isfinite(scale) & (scale > 0)).all())
        codes = out.get(name)
        if name != TABLE:
            right = right and codes is not None and codes.dtype in (np.int8, np.int16) and _broadcasts(scale, codes)
        if not right:
            raise ModelError(f"expected in {name}{_SCALE} the scales of {name}, found others")
        if codes is not None:
            out[name] = codes * scale
    if bare := [name for name, array in out.items() if array.dtype in (np.int8, np.int16)]:
        raise ModelError(f"expected {bare[0]}{_SCALE} beside whole numbers in {bare[0]}, found none")
    if NGRAMS in out and out[NGRAMS].dtype == np.uint32:
        out[NGRAMS] = np.cumsum(out[NGRAMS], dtype=np.int64)
    return out, Compression(bits.pop(), scales)


def _broadcasts(scale: np.ndarray, codes: np.ndarray) -> bool:
    """Return whether there is a scale for each row or column."""
    return scale.ndim == codes.ndim and all(
        own in (1, size) for own, size in zip(scale.shape, codes.shape, strict=True)
    )
