"""Strings in any usual container as an Arrow column."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.errors import DataError


def as_column(texts: object, *, what: str = "texts") -> pa.ChunkedArray:
    """Strings in any usual container as an Arrow column.

    Args:
        texts: a list, tuple, numpy array, pandas Series or Index, Arrow array or other iterable.
        what: names the argument in errors.

    Raises:
        DataError: a bare string, something that is not text, or a missing value.
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
            column = _cast(column, what)
        elif len(column):
            raise DataError(f"{what}: expected strings, found a missing value at row 0")
        else:
            column = pa.chunked_array([], pa.string())
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise DataError(f"{what}: expected strings, found a missing value at row {row}")
    return column


def _cast(column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """Dictionary and view encodings of strings as plain strings."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise DataError(f"{what}: expected strings, found {column.type}")
    return column.cast(pa.large_string())


def _from_objects(texts: object, what: str) -> pa.ChunkedArray:
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
