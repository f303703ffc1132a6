"""Labels as they stand in a column, words or integers or booleans, to class names and ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._picking import rows_where
from textcnn.errors import DataError

_LISTED = 10


def declared_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """Give the class names that ``datasets`` writes beside a column of ids (its ``ClassLabel``), if it did."""
    try:
        feature = json.loads(schema.metadata[b"huggingface"])["info"]["features"][column]
        kind, names = feature["_type"], feature["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if kind != "ClassLabel" or type(names) is not list or not all(type(name) is str and name for name in names):
        return None
    return tuple(names) if len(set(names)) == len(names) > 0 else None


def class_names(column: pa.ChunkedArray, *, path: str | Path) -> list[str]:
    """Name the classes that a column of labels has.

    Args:
        column: words, integers (also written as text, or as whole floats) or booleans.
        path: the file, for the errors.

    Returns:
        Distinct labels as text. Where all look like integers they are sorted as numbers, otherwise by code point.

    Raises:
        DataError: a label is missing, the column holds no labels, or all are the same.
    """
    names = pc.unique(label_texts(column, path=path)).to_pylist()
    if len(names) < 2:
        raise DataError(f"expected at least two classes in {path}, found only {names[0]!r}; add examples of another")
    if all(name.lstrip("+-").isdecimal() and name.isascii() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def encode_labels(
    column: pa.ChunkedArray, names: Sequence[str], *, path: str | Path, known_from: str = "train"
) -> pa.Int64Array:
    """Give each label its place among the class names.

    Args:
        column: labels, as in `class_names`.
        names: the classes.
        path: the file, for the errors.
        known_from: where ``names`` come from, for the errors.

    Raises:
        DataError: a label is missing, or is none of the names.
    """
    texts = label_texts(column, path=path)
    ids = pc.index_in(texts, value_set=pa.array(names, pa.string()))
    if ids.null_count:
        unknown = ids.is_null()
        label = texts.filter(unknown)[0].as_py()
        known = ", ".join(repr(name) for name in names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        raise DataError(
            f"expected labels known from {known_from} ({known}), but {path} has {label!r} in {rows_where(unknown)}; "
            "mend the label or add examples of it there"
        )
    return ids.cast(pa.int64()).combine_chunks()


def label_texts(column: pa.ChunkedArray, *, path: str | Path, names: Sequence[str] | None = None) -> pa.ChunkedArray:
    """Give labels as text.

    Args:
        column: labels, as in `class_names`.
        path: the file, for the errors.
        names: class names for which the column's integers stand; -1 stands for none.

    Raises:
        DataError: a label is missing, stands for no name, or the column holds no labels.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = _whole_numbers(column)
    kind = column.type
    types = pa.types
    if not (types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind) or str(kind) in _WORDS):
        raise DataError(
            f"expected words or whole numbers as labels in {path}, found a column of {kind}; "
            "name the label column with --label-column"
        )
    texts = _named(column, names, path) if names and types.is_integer(kind) else column.cast(pa.string())
    missing = pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), True)
    if pc.any(missing).as_py():
        raise DataError(
            f"expected a label in each row of {path}, but {rows_where(missing)} has none; fill or remove it"
        )
    return texts


def _named(column: pa.ChunkedArray, names: Sequence[str], path: str | Path) -> pa.ChunkedArray:
    """Names for ids; null where the id is missing or -1."""
    known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(names)))
    wrong = pc.fill_null(pc.and_not(pc.not_equal(column, -1), known), False)
    if pc.any(wrong).as_py():
        raise DataError(
            f"expected class ids from 0 to {len(names) - 1} in {path}, which names its classes, "
            f"found {column.filter(wrong)[0].as_py()} in {rows_where(wrong)}; write the file anew"
        )
    return pc.take(pa.array(names, pa.string()), pc.if_else(known, column, None))


_WORDS = ("string", "large_string", "string_view")


def _whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as integers, if they are: pandas writes so where some are missing."""
    if not pa.types.is_floating(column.type):
        return column
    try:
        return pc.if_else(pc.is_nan(column), None, column).cast(pa.int64())
    except pa.ArrowInvalid:
        return column
