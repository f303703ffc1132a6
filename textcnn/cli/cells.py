"""Columns and values as CSV and JSON hold them."""

from __future__ import annotations

import json
import math
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

# The characters of OWASP's advice on CSV injection, with their full-width forms.
_FORMULA = r"\A[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
_NUMBER = r"\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z"
_STRING_TYPES = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")


def write_csv(stream: IO[bytes], columns: pa.Table | dict[str, pa.Array], *, header: bool = True) -> None:
    """Write columns as CSV."""
    from pyarrow import csv

    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    csv.write_csv(table, stream, csv.WriteOptions(include_header=header, quoting_style="needed"))


def flat(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return a column that CSV can hold: lists and objects as JSON."""
    if str(column.type) == "string_view":  # which Arrow's writer lacks
        return column.cast(pa.large_string())
    if not pa.types.is_nested(column.type):
        return column
    return pa.array([None if value is None else to_json(value) for value in column.to_pylist()], pa.string())


def without_formulas(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Put an apostrophe before strings that a spreadsheet would run; numbers are none."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if str(kind) not in _STRING_TYPES:
        return column
    column = column.cast(pa.string())
    formulas = pc.and_not(pc.match_substring_regex(column, _FORMULA), pc.match_substring_regex(column, _NUMBER))
    if not pc.any(formulas).as_py():
        return column
    return pc.if_else(formulas, pc.binary_join_element_wise("'", column, ""), column)


def to_json(value: Any) -> str:
    """Return a value as JSON; numbers that are not finite are null, dates and bytes are strings."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_as_text)
    except ValueError:  # JSON has no NaN
        return json.dumps(_finite(value), ensure_ascii=False, default=_as_text)


def _finite(value: Any) -> Any:
    """Replace numbers that are not finite by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_text(value: object) -> str:
    """Convert what JSON does not know, such as dates and bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
