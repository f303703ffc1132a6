"""Strings in any usual container as an Arrow column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.errors import DataError

Texts: TypeAlias = Sequence[str] | np.ndarray | pa.Array | pa.ChunkedArray | Iterable[str]
"""Texts in any usual container; a pandas Series or Index counts as an iterable. A bare `str` is refused at run time."""


def as_column(texts: Texts, *, what: str = "texts") -> pa.ChunkedArray:
    """Return texts as an Arrow column.

    Args:
        texts: N strings, none missing: of one dimension, or one column of a numpy array or a data frame.
        what: The name of the argument, for the errors.

    Returns:
        N strings (`string` or `large_string`).

    Raises:
        DataError: `texts` is a bare string, or has a missing value or something that is not text.
    """
    if isinstance(texts, (str, bytes)):
        raise DataError(f"{what}: expected a list of strings, found a single one; write [{texts!r:.40}]")
    if isinstance(texts, pa.ChunkedArray):
        column = texts
    elif isinstance(texts, pa.Array):
        column = pa.chunked_array([texts])
    else:
        column = _from_objects(texts, what)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        if len(column) and not pa.types.is_null(column.type):
            column = _as_plain_strings(column, what)
        elif len(column):
            raise DataError(f"{what}: expected strings, found a missing value at row 0")
        else:
            column = pa.chunked_array([], pa.string())
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise DataError(f"{what}: expected strings, found a missing value at row {row}")
    return column


def strings(values: Sequence[str]) -> pa.StringArray:
    """Return strings as an Arrow column, from a buffer: pyarrow imports pandas to convert Python objects.

    Raises:
        UnicodeEncodeError: a string holds a lone surrogate.
    """
    encoded = [value.encode() for value in values]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def _as_plain_strings(column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """Convert Arrow's dictionary and view forms of strings."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise DataError(f"{what}: expected strings, found {column.type}")
    return column.cast(pa.large_string())


def _from_objects(texts: Sequence[str] | np.ndarray | Iterable[str], what: str) -> pa.ChunkedArray:
    if getattr(texts, "ndim", 1) == 2 and getattr(texts, "shape", ())[1:] == (1,) and hasattr(texts, "__array__"):
        texts = np.asarray(texts)[:, 0]
    if getattr(getattr(texts, "dtype", None), "kind", "") == "T":  # numpy's strings of any length
        texts = np.asarray(texts).astype(object)
    if getattr(texts, "ndim", 1) != 1:
        raise DataError(f"{what}: expected one dimension, found the shape {getattr(texts, 'shape', None)}")
    if not isinstance(texts, Iterable):
        raise DataError(f"{what}: expected a list of strings, found {type(texts).__name__}")
    items = texts if hasattr(texts, "__array__") or isinstance(texts, (list, tuple)) else list(texts)
    try:
        column = pa.array(items, from_pandas=True)
    except UnicodeEncodeError:
        raise DataError(f"{what}: expected Unicode text, found a lone surrogate (half a character)") from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        kinds = sorted({type(item).__name__ for item in items})
        raise DataError(f"{what}: expected strings, found {', '.join(kinds)}") from None
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
