"""JSON Lines as Arrow tables.

Python parses the lines and Arrow builds columns of the values. Arrow's own JSON reader is a few times faster, but it
turns strings that look like times into times, and crashes or returns invalid arrays for a row `null`, deep nesting, or
a null before an empty object in a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from textcnn.data._rows import whole_rows
from textcnn.errors import DataError

_DEEPEST = 64
_EXPECTED = 'expected a JSON object, such as {"text": ..., "label": ...}, in each line'
_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_REFUSALS = (pa.ArrowException, OverflowError, UnicodeError)  # wrong types, long integers, half surrogate pairs


def json_tables(blocks: Iterator[bytes], *, path: Path) -> Iterator[pa.Table]:
    """Parse JSON Lines, one object per line; blank lines are skipped.

    Args:
        blocks: The file as UTF-8.
        path: The file, for the errors.

    Yields:
        A table per run of lines. A later table has all columns of the earlier ones, in their order, then new ones.
        A column keeps its type, except that whole numbers may become fractions, and nulls anything.

    Raises:
        DataError: A line is no JSON object, a column changes its type, or Arrow cannot store a value.
    """
    schema = pa.schema([])
    for first, run in whole_rows(blocks, path=path):
        lines = run.decode().split("\n")
        rows = [_parse(line, first + i, path) for i, line in enumerate(lines) if line and not line.isspace()]
        try:
            column = pa.array(rows, None if rows else pa.struct([]))
            schema = pa.unify_schemas([schema, pa.schema(list(column.type))], promote_options="permissive")
            kind = pa.struct(list(schema))
            if column.type != kind:
                column = pa.array(rows, kind)
        except _REFUSALS as error:
            raise _explain(lines, first, schema, path, error) from error
        yield pa.Table.from_batches([pa.RecordBatch.from_struct_array(column)])


def _parse(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{_EXPECTED}, but line {number} of {path} is not JSON: {error.msg} at column {error.colno}; fix it"
        ) from error
    except RecursionError as error:
        raise _too_deep(number, path) from error
    except ValueError as error:
        raise DataError(
            f"{_EXPECTED}, but line {number} of {path} has too long a number; write it as a string"
        ) from error
    if type(value) is not dict:
        raise DataError(
            f"{_EXPECTED}, but line {number} of {path} is {_KINDS[type(value)]}; write each row as an object"
        )
    # Counting is quick and rules out nearly every line.
    if line.count("[") + line.count("{") > _DEEPEST and _is_deep(value):
        raise _too_deep(number, path)
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for each in level
            if isinstance(each, dict | list)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)


def _too_deep(number: int, path: Path) -> DataError:
    return DataError(
        f"expected JSON nested at most {_DEEPEST} deep, but line {number} of {path} is deeper; "
        "keep only the columns you need"
    )


def _explain(lines: list[str], first: int, schema: pa.Schema, path: Path, error: Exception) -> DataError:
    """Return the error for the first line that Arrow refuses, alone or together with the lines before it."""
    kinds = {field.name: kind for field in schema if (kind := _kind_of(field.type))}
    for number, line in enumerate(lines, first):
        row = json.loads(line) if line.strip() else {}
        where = f"line {number} of {path}"
        for name, value in row.items():
            kind = _KINDS[type(value)]
            if value is not None and kinds.setdefault(name, kind) != kind:
                return DataError(
                    f"expected values of one type in a column, but {name!r} in {where} is {kind}, "
                    f"and {kinds[name]} before; use one type throughout"
                )
            try:
                pa.array([value])
            except _REFUSALS as refusal:
                return DataError(f"expected plain values, but {name!r} in {where} cannot be read: {refusal}; fix it")
    return DataError(f"expected values of one type in a column, but those in {path} differ: {error}; fix them")


def _kind_of(kind: pa.DataType) -> str | None:
    """Return what a column holds so far, in the words of `_KINDS`; None if only nulls."""
    types = pa.types
    for test, python in (
        (types.is_string, str),
        (types.is_boolean, bool),
        (types.is_integer, int),
        (types.is_floating, float),
        (types.is_list, list),
        (types.is_struct, dict),
    ):
        if test(kind):
            return _KINDS[python]
    return None
