"""Which columns of a table hold the texts and the labels, and its texts as strings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._dialect import DELIMITERS, on_command_line
from textcnn.errors import ConfigError, DataError, beginning, nearest_names, quoted

TEXT_NAMES = (
    *("text", "sentence", "review", "content", "document", "tweet", "comment", "body", "question", "message"),
    *("texts", "sentences", "reviews", "utterance", "post"),
)
"""Usual names of the text column; the first that a file has is taken, ignoring case and surrounding spaces."""

LABEL_NAMES = (
    *("label", "labels", "class", "category", "sentiment", "target", "y", "stars", "rating"),
    *("label_text", "polarity", "intent"),
)
"""Usual names of the label column, in the same way."""

TextColumn: TypeAlias = str | int | Sequence[str | int] | None
"""A column of texts, several that are joined by a blank, or None for a usual name."""

# by name: older Arrow lacks some
_TEXT_TYPES = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "null")
_NUMBER = r"\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z"
_MOST_ROWS = 5  # named in a message
_MOST_COLUMNS = 20
_LONGEST_NAME = 60


class Columns(NamedTuple):
    """The columns of a file that are read.

    Attributes:
        texts: Those of the texts, which are joined; at least one.
        label: That of the labels, if there is one.
    """

    texts: tuple[str, ...]
    label: str | None


def pick_columns(
    names: Sequence[str],
    text_column: TextColumn = None,
    label_column: str | int | None = None,
    *,
    path: str | Path,
    need_label: bool = True,
    or_usual: bool = False,
) -> Columns:
    """Choose the columns of texts and labels among those of a file.

    Args:
        names: The file's columns.
        text_column: The text column, or several; if None, a usual name is looked for. A name that no column has, but
            that contains commas, is that of several.
        label_column: The label column; if None, a usual name is looked for.
        path: The file, for the errors.
        need_label: Whether a file without labels is an error; a given `label_column` must always exist.
        or_usual: Whether a column of a usual name takes the place of given ones that are all missing.

    Returns:
        The names; that of the labels is None if there is none and none is needed.

    Raises:
        ConfigError: The text columns are not names.
        DataError: A column is missing, texts and labels have the same, or the header has a name twice.
    """
    given_texts = _listed(text_column, names)
    given_label = () if label_column is None else (str(label_column),)
    texts = _find(names, given_texts, TEXT_NAMES, or_usual=or_usual)
    label = _find(names, given_label, LABEL_NAMES, or_usual=or_usual)
    need_label = need_label or label_column is not None
    if not texts or (need_label and not label):
        expected = [*(texts or given_texts or TEXT_NAMES[:1])]
        if need_label:
            expected += label or given_label or LABEL_NAMES[:1]
        missing = [name for name in (*given_texts, *given_label) if name not in names]
        near = nearest_names(missing[0], names) if missing else ""
        advice = _advice(names, path, both=need_label, given=bool(given_texts or given_label))
        raise DataError(
            f"expected the columns {quoted(expected)}, but only {_shortened(names)} were found in {path}{near}; "
            f"{advice}"
        )
    if label and label[0] in texts:
        raise DataError(
            f"expected two columns in {path}, found {quoted(label[0])} for both texts and labels; "
            "name them with --text-column / --label-column"
        )
    for name in (*texts, *label):
        if names.count(name) > 1:
            count = names.count(name)
            raise DataError(f"expected one column {quoted(name)} in {path}, found {count}; rename the others")
    return Columns(texts, label[0] if label else None)


def check_has_columns(names: Sequence[str], wanted: Sequence[str], *, path: str | Path) -> None:
    """Raise DataError unless a file, whose columns `names` are, has each wanted column once."""
    for name in wanted:
        if names.count(name) != 1:
            near = "" if name in names else nearest_names(name, names)
            raise DataError(
                f"expected the column {quoted(name)} once in {path}, found {_shortened(names)}{near}; correct the name"
            )


def numbers_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of numbers, or of strings that are such, as float64, (N,); null where there is no number."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if str(column.type) in _TEXT_TYPES and not pa.types.is_null(column.type):
        texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
        number = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), False)
        column = pc.if_else(number, texts, None)
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        column = pa.chunked_array([pa.nulls(len(column), pa.float64())])
    return column.cast(pa.float64())


def weights_of(column: pa.ChunkedArray, name: str, *, path: str | Path) -> pa.ChunkedArray:
    """Return a column of weights as numbers, (N,) float64.

    Args:
        column: Numbers, or strings that are such.
        name: Its name, for the errors.
        path: The file, for the errors.

    Raises:
        DataError: A weight is missing, no number or negative, or none is above 0.
    """
    weights = numbers_of(column)
    wrong = pc.invert(pc.fill_null(pc.and_(pc.is_finite(weights), pc.greater_equal(weights, 0)), False))
    if pc.any(wrong).as_py():
        raise DataError(
            f"expected a weight from 0 on in the column {quoted(name)} of {path}, found none in {rows_where(wrong)}; "
            "correct it"
        )
    if not pc.any(pc.greater(weights, 0)).as_py():
        raise DataError(f"expected a weight above 0 in the column {quoted(name)} of {path}, found none; correct it")
    return weights


def _listed(text_column: TextColumn, names: Sequence[str]) -> tuple[str, ...]:
    """Return the text columns that the caller names; none for None."""
    if text_column is None:
        return ()
    if isinstance(text_column, str) and "," in text_column and text_column not in names:
        listed = tuple(name.strip() for name in text_column.split(","))
    elif isinstance(text_column, str | int):
        listed = (str(text_column),)
    else:
        listed = tuple(str(name) for name in text_column if isinstance(name, str | int))
        if not listed or len(listed) < len(text_column):
            raise ConfigError(f"expected the name of a text column or several, found {quoted(text_column)}")
    if len(set(listed)) < len(listed):
        raise ConfigError(f"expected distinct text columns, found {', '.join(listed)}; name each once")
    return listed


def _find(names: Sequence[str], given: tuple[str, ...], usual: Sequence[str], *, or_usual: bool) -> tuple[str, ...]:
    """Return the given columns if the file has them, or one of a usual name; none if they are missing."""
    if given and all(name in names for name in given):
        return given
    if given and (not or_usual or any(name in names for name in given)):
        return ()
    known = {name.strip().lower(): name for name in reversed(names)}
    return next(((known[name],) for name in usual if name in known), ())


def _advice(names: Sequence[str], path: str | Path, *, both: bool, given: bool) -> str:
    """Return what to do about missing columns."""
    separator = next((mark for mark in DELIMITERS if len(names) == 1 and mark in names[0]), None)
    if separator is not None:
        return f"if its fields are separated by {separator!r}, give --delimiter {on_command_line(separator)}"
    options = "them with --text-column / --label-column" if both else "it with --text-column"
    if list(names) == [str(number) for number in range(1, len(names) + 1)]:
        delimiter = ", and the delimiter with --delimiter" if len(names) == 1 else ""
        return f"name {options}, by number from 1{delimiter}"
    header = str(path).lower().removesuffix(".gz").endswith((".csv", ".tsv", ".tab")) and not given
    return f"name {options}" + (", or give --no-header if the first row is no header" if header else "")


def texts_of(
    column: pa.Array, *, path: str | Path, first_row: int = 1, missing_as_empty: bool = False
) -> pa.StringArray:
    """Return one batch of a text column as strings.

    Args:
        column: Strings, in any of Arrow's forms.
        path: The file, for the errors.
        first_row: The number of the batch's first row, from 1.
        missing_as_empty: Whether a missing text counts as an empty one, as in prediction.

    Raises:
        DataError: Texts are missing, or the column does not hold text.
    """
    texts = _strings(column, path, first_row)
    if not missing_as_empty:
        check_none_missing(texts, path=path, first_row=first_row)
    return pc.fill_null(texts, "")


def joined_texts(
    batch: pa.RecordBatch, columns: Sequence[str], *, path: str | Path, first_row: int = 1
) -> pa.StringArray:
    """Return one batch of texts as strings, those of several columns joined by a blank where neither is empty.

    Args:
        batch: A batch of the file's rows, (N,).
        columns: The columns of the texts.
        path: The file, for the errors.
        first_row: The number of the batch's first row, from 1.

    Returns:
        The texts, (N,); null where all columns are.

    Raises:
        DataError: A column does not hold text.
    """
    parts = [_strings(batch.column(name), path, first_row) for name in columns]
    if len(parts) == 1:
        return parts[0]
    joined, *others = (pc.if_else(pc.equal(part, ""), None, part) for part in parts)
    try:
        for other in others:
            joined = pc.coalesce(pc.binary_join_element_wise(joined, other, " "), joined, other)
    except pa.ArrowException as error:
        raise DataError(
            f"expected texts of at most 2 GiB in {path}, but those from row {first_row} are longer"
        ) from error
    return pc.coalesce(joined, *parts)


def check_none_missing(texts: pa.StringArray, *, path: str | Path, first_row: int = 1) -> None:
    """Raise DataError if texts are missing; arguments as for `texts_of`."""
    if texts.null_count:
        raise DataError(
            f"expected a text in every row of {path}, but {rows_where(texts.is_null(), first_row)} "
            "has none; fill or remove it, or leave such rows out with --skip-missing"
        )


def _strings(column: pa.Array, path: str | Path, first_row: int) -> pa.StringArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if str(kind) not in _TEXT_TYPES:
        raise DataError(
            f"expected texts in {path}, found a column of {type_name(kind)}; name the text column with --text-column"
        )
    try:
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise DataError(
            f"expected UTF-8 texts in {path}, but those from row {first_row} are not, or exceed 2 GiB; write it again"
        ) from error


def type_name(kind: pa.DataType) -> str:
    """Return a type's name in messages, without the fields of a long one."""
    return beginning(str(kind), _LONGEST_NAME)


def rows_where(mask: pa.Array, first_row: int = 1) -> str:
    """Return the rows where a mask is true: "row 3", or "row 3 (and 5, 9, 12, 13 and 40 more)"."""
    rows = pc.add(pc.indices_nonzero(mask), first_row)
    named = [str(row) for row in rows[:_MOST_ROWS].to_pylist()]
    more = len(rows) - len(named)
    others = ", ".join(named[1:]) + (f" and {more:,} more" if more else "")
    return f"row {named[0]}" + (f" (and {others})" if others else "")


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _MOST_COLUMNS
    cut = [beginning(name, _LONGEST_NAME) for name in names[:_MOST_COLUMNS]]
    return str(cut) + (f" and {more:,} more" if more > 0 else "")
