"""Which columns of a table hold the texts and the labels, and its texts as strings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._dialect import DELIMITERS, on_command_line
from textcnn.errors import DataError, nearest_names

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

# by name: older Arrow lacks some
_TEXT_TYPES = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "null")
_MOST_ROWS = 5  # named in a message
_MOST_COLUMNS = 20
_LONGEST_NAME = 60


def pick_columns(
    names: Sequence[str],
    text_column: str | None = None,
    label_column: str | None = None,
    *,
    path: str | Path,
    need_label: bool = True,
) -> tuple[str, str | None]:
    """Choose the columns of texts and labels among those of a file.

    Args:
        names: The file's columns.
        text_column: The text column; if None, a usual name is looked for.
        label_column: The label column, in the same way.
        path: The file, for the errors.
        need_label: Whether a file without labels is an error; a given `label_column` must always exist.

    Returns:
        The two names; the second is None if there is none and none is needed.

    Raises:
        DataError: A column is missing, both are the same, or the header has a name twice.
    """
    text = _find(names, text_column, TEXT_NAMES)
    label = _find(names, label_column, LABEL_NAMES)
    missing = [] if text else [text_column or TEXT_NAMES[0]]
    if not label and (need_label or label_column):
        missing.append(label_column or LABEL_NAMES[0])
    if text is None or missing:
        expected = [text or missing[0]]
        if need_label or label_column:
            expected.append(label or missing[-1])
        near = nearest_names(missing[0], names) if missing[0] in (text_column, label_column) else ""
        advice = "name them with --text-column / --label-column" if len(expected) > 1 else "name it with --text-column"
        separator = next((mark for mark in DELIMITERS if len(names) == 1 and mark in names[0]), None)
        if separator is not None:
            advice = f"if its fields are separated by {separator!r}, give --delimiter {on_command_line(separator)}"
        raise DataError(
            f"expected the columns {expected}, but only {_shortened(names)} were found in {path}{near}; {advice}"
        )
    if text == label:
        raise DataError(
            f"expected two columns in {path}, found {text!r} for both texts and labels; "
            "name them with --text-column / --label-column"
        )
    for name in (text, label):
        if name is not None and names.count(name) > 1:
            raise DataError(f"expected one column {name!r} in {path}, found {names.count(name)}; rename the others")
    return text, label


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
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if str(kind) not in _TEXT_TYPES:
        raise DataError(
            f"expected texts in {path}, found a column of {type_name(kind)}; name the text column with --text-column"
        )
    try:
        texts = column.cast(pa.string())
    except pa.ArrowException as error:
        raise DataError(
            f"expected UTF-8 texts in {path}, but those from row {first_row} are not, or exceed 2 GiB; write it again"
        ) from error
    if texts.null_count and not missing_as_empty:
        raise DataError(
            f"expected a text in every row of {path}, but {rows_where(texts.is_null(), first_row)} "
            "has none; fill or remove it"
        )
    return pc.fill_null(texts, "")


def type_name(kind: pa.DataType) -> str:
    """Return a type's name in messages, without the fields of a long one."""
    name = str(kind)
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."


def rows_where(mask: pa.Array, first_row: int = 1) -> str:
    """Return the rows where a mask is true: "row 3", or "row 3 (and 5, 9, 12, 13 and 40 more)"."""
    rows = pc.add(pc.indices_nonzero(mask), first_row)
    named = [str(row) for row in rows[:_MOST_ROWS].to_pylist()]
    more = len(rows) - len(named)
    others = ", ".join(named[1:]) + (f" and {more:,} more" if more else "")
    return f"row {named[0]}" + (f" (and {others})" if others else "")


def _find(names: Sequence[str], given: str | None, usual: Sequence[str]) -> str | None:
    if given is not None:
        return given if given in names else None
    known = {name.strip().lower(): name for name in reversed(names)}
    return next((known[name] for name in usual if name in known), None)


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _MOST_COLUMNS
    cut = [name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..." for name in names[:_MOST_COLUMNS]]
    return str(cut) + (f" and {more:,} more" if more > 0 else "")
