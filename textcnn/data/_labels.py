"""Columns of labels (words, integers or booleans) as class names and class ids."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data.table_columns import rows_where, type_name
from textcnn.errors import DataError, listed, quoted

_BOOLEAN = re.compile("true|false", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?[0-9]+(?:\.0*)?")


def declared_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """Return the class names that `datasets` stores with a column of ids (its `ClassLabel`); None if there are none.

    The ids may be in lists.
    """
    try:
        feature = json.loads(schema.metadata[b"huggingface"])["info"]["features"][column]
        feature = feature.get("feature", feature)
        kind, names = feature["_type"], feature["names"]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    if kind != "ClassLabel" or type(names) is not list or not all(type(name) is str and name for name in names):
        return None
    return tuple(names) if len(set(names)) == len(names) > 0 else None


def class_names(column: pa.ChunkedArray, *, path: str | Path) -> list[str]:
    """Return the classes in a column of labels.

    Args:
        column: Words, integers (also as text or as whole floats) or booleans.
        path: The file, for the errors.

    Returns:
        The distinct labels as text, sorted as numbers if all look like integers, otherwise by code point. They do not
        depend on the file's format: booleans in any spelling are `False` and `True`, whole floats integers, if all
        labels are such.

    Raises:
        DataError: A label is missing, the column does not hold labels, or all labels are the same.
    """
    names = pc.unique(label_texts(column, path=path)).to_pylist()
    if all(map(_BOOLEAN.fullmatch, names)) or all(map(_WHOLE.fullmatch, names)):
        names = list(dict.fromkeys(map(_common_form, names)))
    if len(names) < 2:
        raise DataError(
            f"expected at least two classes in {path}, found only {quoted(names[0])}; add examples of another"
        )
    if all(name.lstrip("+-").isdecimal() and name.isascii() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _common_form(label: str) -> str:
    """Return a boolean as `False` or `True`, a whole float as an integer, and any other label as it is."""
    if _BOOLEAN.fullmatch(label):
        return label.capitalize()
    return label.partition(".")[0] if _WHOLE.fullmatch(label) else label


def encode_labels(
    column: pa.ChunkedArray,
    names: Sequence[str],
    *,
    path: str | Path,
    known_from: str = "train",
    keep_missing: bool = False,
    parents: pa.Array | pa.ChunkedArray | None = None,
) -> pa.Int64Array:
    """Return each label's index in the class names.

    A label that is not among them means the one that is the same boolean or whole number, such as `true` for
    `True` or `1.0` for `1`: models name their classes after the file they were trained on.

    Args:
        column: Labels, as in `class_names`.
        names: The classes.
        path: The file, for the errors.
        known_from: Where `names` come from, for the errors.
        keep_missing: Whether a missing label is null rather than an error.
        parents: The row of each label, for the errors; None if each is in a row of its own.

    Raises:
        DataError: A label is missing, or is not among the names.
    """
    texts = label_texts(column, path=path, keep_missing=keep_missing)
    ids = pc.index_in(texts, value_set=pa.array(names, pa.string()))
    if ids.null_count > texts.null_count:
        forms = [_common_form(name) for name in names]
        index = {form: i for i, form in enumerate(forms) if forms.count(form) == 1}
        values = pc.unique(texts.filter(ids.is_null())).drop_null()
        same = pa.array([index.get(_common_form(label)) for label in values.to_pylist()], pa.int32())
        ids = pc.coalesce(ids, pc.take(same, pc.index_in(texts, value_set=values)))
    if ids.null_count > texts.null_count:
        unknown = pc.and_(ids.is_null(), texts.is_valid())
        label = texts.filter(unknown)[0].as_py()
        known = listed([quoted(name) for name in names])
        if parents is not None:
            rows = np.unique(np.asarray(parents)[unknown.to_numpy()])
            unknown = pa.array(np.isin(np.arange(rows[-1] + 1), rows))
        raise DataError(
            f"expected labels known from {known_from} ({known}), but {path} has {quoted(label)} in "
            f"{rows_where(unknown)}; fix the label or add examples of it there"
        )
    return ids.cast(pa.int64()).combine_chunks()


def label_texts(
    column: pa.ChunkedArray, *, path: str | Path, names: Sequence[str] | None = None, keep_missing: bool = False
) -> pa.ChunkedArray:
    """Return labels as text.

    Args:
        column: Labels, as in `class_names`.
        path: The file, for the errors.
        names: Class names that the column's integers index; -1 means a missing label.
        keep_missing: Whether a missing label is null rather than an error.

    Raises:
        DataError: A label is missing or indexes no name, or the column does not hold labels.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = _whole_numbers(column)
    kind = column.type
    types = pa.types
    if not (types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind) or str(kind) in _WORDS):
        raise DataError(
            f"expected words or whole numbers as labels in {path}, found a column of {type_name(kind)}; "
            "name the label column with --label-column"
        )
    if names and types.is_integer(kind):
        texts = _named(column, names, path)
    elif types.is_boolean(kind):
        texts = pc.if_else(column, "True", "False")
    else:
        texts = column.cast(pa.string())
    missing = pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), True)
    if not pc.any(missing).as_py():
        return texts
    if keep_missing:
        return pc.if_else(missing, None, texts)
    raise DataError(
        f"expected a label in every row of {path}, but {rows_where(missing)} has none; fill or remove it, "
        "or leave such rows out with --skip-missing"
    )


def all_missing(column: pa.ChunkedArray, training: Sequence[pa.ChunkedArray]) -> bool:
    """Return whether a column has no label: all are null, empty or -1, and the training texts have no class -1.

    Args:
        column: Labels as a file has them.
        training: The training labels, as text.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = _whole_numbers(column)
    if not (pa.types.is_integer(column.type) or pa.types.is_null(column.type) or str(column.type) in _WORDS):
        return column.null_count == len(column)
    found = {str(value).strip() for value in pc.unique(column).to_pylist() if value is not None} - {""}
    return found <= {"-1"} and not (found and any(pc.any(pc.equal(labels, "-1")).as_py() for labels in training))


def _named(column: pa.ChunkedArray, names: Sequence[str], path: str | Path) -> pa.ChunkedArray:
    """Return the names of ids; null where the id is missing or -1."""
    known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(names)))
    wrong = pc.fill_null(pc.and_not(pc.not_equal(column, -1), known), False)
    if pc.any(wrong).as_py():
        raise DataError(
            f"expected class ids from 0 to {len(names) - 1} in {path}, which names its classes, "
            f"found {column.filter(wrong)[0].as_py()} in {rows_where(wrong)}; write the file again"
        )
    return pc.take(pa.array(names, pa.string()), pc.if_else(known, column, None))


_WORDS = ("string", "large_string", "string_view")


def _whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whole floats as integers: pandas stores integers as floats if some are missing."""
    if not pa.types.is_floating(column.type):
        return column
    try:
        return pc.if_else(pc.is_nan(column), None, column).cast(pa.int64())
    except pa.ArrowInvalid:
        return column
