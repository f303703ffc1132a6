"""Columns of label lists: where a text has any number of labels, from lists, separated words or columns of 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._labels import encode_labels, label_texts
from textcnn.data.table_columns import rows_where
from textcnn.errors import DataError, quoted

_YES, _NO = ("1", "true", "yes"), ("0", "false", "no")


def list_texts(
    column: pa.ChunkedArray, *, path: str | Path, names: Sequence[str] | None = None, keep_missing: bool = False
) -> pa.ChunkedArray:
    """Return lists of labels as lists of strings, without those that are null or blank.

    Args:
        column: N lists of words, integers or booleans.
        path: The file, for the errors.
        names: Class names that the integers index.
        keep_missing: Whether a missing list is null rather than an error.

    Raises:
        DataError: A list is missing, or the lists do not hold labels.
    """
    if not keep_missing and column.null_count:
        raise DataError(
            f"expected a list of labels in every row of {path}, but {rows_where(column.is_null())} has none; fill it "
            "(an empty list is a text without labels), or leave such rows out with --skip-missing"
        )
    flat = label_texts(pc.list_flatten(column), path=path, names=names, keep_missing=True)
    return grouped(flat, pc.list_parent_indices(column), column.is_valid())


def split_texts(column: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """Return labels with separators between them as lists of strings; a missing field is an empty list.

    Args:
        column: N strings.
        separator: What stands between the labels; blanks around them do not count.
    """
    lists = pc.split_pattern(pc.fill_null(column, ""), separator)
    return grouped(pc.list_flatten(lists), pc.list_parent_indices(lists), lists.is_valid())


def marked_columns(table: pa.Table, *, path: str | Path, keep_missing: bool = False) -> pa.ChunkedArray:
    """Return columns of 0 and 1, one for each label, as lists of the names of those that are 1.

    Args:
        table: N rows of numbers, booleans or words (`true`, `yes` and so on).
        path: The file, for the errors.
        keep_missing: Whether a row with a missing value is null rather than an error.

    Raises:
        DataError: A value is missing, or is none of these.
    """
    marks = np.zeros((table.num_rows, table.num_columns), bool)
    valid = np.ones(table.num_rows, bool)
    for k, name in enumerate(table.column_names):
        values = label_texts(table[name], path=path, keep_missing=True)
        plain = pc.replace_substring_regex(pc.utf8_lower(pc.utf8_trim_whitespace(values)), r"^([01])\.0*$", r"\1")
        yes, no = (pc.is_in(plain, value_set=pa.array(words)) for words in (_YES, _NO))
        wrong = pc.and_(plain.is_valid(), pc.invert(pc.or_(yes, no)))
        if pc.any(wrong).as_py():
            found = values.filter(wrong)[0].as_py()
            raise DataError(
                f"expected 0 or 1 in the column {quoted(name)} of {path}, which stands for a label, found "
                f"{quoted(found)} in {rows_where(wrong)}; correct it, or leave the column out of --label-columns"
            )
        if plain.null_count and not keep_missing:
            raise DataError(
                f"expected 0 or 1 in the column {quoted(name)} of {path}, which stands for a label, but "
                f"{rows_where(plain.is_null())} has none; fill it, or leave such rows out with --skip-missing"
            )
        valid &= plain.is_valid().to_numpy()
        marks[:, k] = yes.to_numpy()
    rows, columns = np.nonzero(marks)
    words = pa.array(table.column_names, pa.string()).take(pa.array(columns))
    return grouped(words, pa.array(rows), pa.array(valid))


def single_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return N labels as lists of one each; a missing label is a missing list."""
    return grouped(column, pa.array(np.arange(len(column))), column.is_valid())


def only_labels(column: pa.ChunkedArray, *, path: str | Path) -> pa.ChunkedArray:
    """Return the labels of N lists of one.

    Raises:
        DataError: A list has another number of labels.
    """
    lengths = pc.fill_null(pc.list_value_length(column), 1)
    several = pc.not_equal(lengths, 1)
    if pc.any(several).as_py():
        found = lengths.filter(several)[0].as_py()
        raise DataError(
            f"expected one label for each text of {path}, as the model gives one, found {found} in "
            f"{rows_where(several)}; score a model of several labels on it"
        )
    flat = pc.list_flatten(column)
    index = pc.if_else(column.is_valid(), 1, 0).to_numpy().cumsum() - 1
    return flat.take(pa.array(index, mask=column.is_null().to_numpy(zero_copy_only=False)))


def encode_lists(lists: pa.ChunkedArray, names: Sequence[str], *, path: str | Path, known_from: str) -> pa.ListArray:
    """Return lists of labels as lists of their indices in the class names; arguments and errors as `encode_labels`."""
    parents = pc.list_parent_indices(lists)
    ids = encode_labels(pc.list_flatten(lists), names, path=path, known_from=known_from, parents=parents)
    return grouped(ids, parents, lists.is_valid()).combine_chunks()


def grouped(values: pa.Array | pa.ChunkedArray, parents: pa.Array | pa.ChunkedArray, valid: pa.Array) -> pa.Array:
    """Return lists of the values of each row, without those that are null or blank.

    Args:
        values: Of all rows, (M,).
        parents: The row of each, ascending, (M,).
        valid: Whether each row has a list, not null, (N,).
    """
    if pa.types.is_string(values.type):
        values = pc.utf8_trim_whitespace(values)
        some = pc.fill_null(pc.greater(pc.utf8_length(values), 0), False)
        values, parents = values.filter(some), parents.filter(some)
    rows = np.asarray(parents)
    lengths = np.bincount(rows, minlength=len(valid))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    missing = ~np.asarray(valid)
    mask = pa.array(missing) if missing.any() else None
    return pa.chunked_array([pa.ListArray.from_arrays(offsets, values, mask=mask)])
