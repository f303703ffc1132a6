"""JSON Lines, or a JSON array of objects, as Arrow tables.

Python parses the rows and Arrow builds columns of the values. Arrow's own JSON reader is a few times faster, but it
turns strings that look like times into times, and crashes or returns invalid arrays for a row `null`, deep nesting, or
a null before an empty object in a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from textcnn.data._rows import LONGEST_ROW, whole_rows
from textcnn.errors import DataError, beginning, one_line

_BLANKS = re.compile(r"[ \t\r\n]*")
_DEEPEST = 64
_LONGEST_MESSAGE = 120
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
    """Parse JSON Lines, one object per line, where blank lines are skipped; or one array of objects.

    Args:
        blocks: The file as UTF-8.
        path: The file, for the errors.

    Yields:
        A table per run of lines. A later table has all columns of the earlier ones, in their order, then new ones.
        A column keeps its type, except that whole numbers may become fractions, and nulls anything.

    Raises:
        DataError: A line is no JSON object, a column changes its type, or Arrow cannot store a value.
    """
    head = b""
    for block in blocks:
        head += block
        if not head.isspace():
            break
    blocks = chain([head], blocks) if head else blocks
    tables = _tables(blocks, head.lstrip().startswith(b"["), path)
    first = next(tables, None)
    if first is None:
        return
    second = next(tables, None) if first.num_rows == 1 and all(map(_is_nested, first.schema.types)) else None
    if second is None and first.num_rows == 1 and first.num_columns and all(map(_is_nested, first.schema.types)):
        raise DataError(
            f"expected a JSON object for each text, found a single one in {path}, whose values are lists or objects; "
            "write the rows as an array of objects (pandas: orient='records') or as JSON Lines"
        )
    yield first
    if second is not None:
        yield second
    yield from tables


def _is_nested(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) or pa.types.is_list(kind)


def _tables(blocks: Iterator[bytes], is_array: bool, path: Path) -> Iterator[pa.Table]:
    schema = pa.schema([])
    unit = "record" if is_array else "line"
    for first, texts in _records(blocks, path) if is_array else _lines(blocks, path):
        rows = [
            _parse(text, f"{unit} {number} of {path}")
            for number, text in enumerate(texts, first)
            if text and not text.isspace()
        ]
        try:
            column = pa.array(rows, None if rows else pa.struct([]))
            schema = pa.unify_schemas([schema, pa.schema(list(column.type))], promote_options="permissive")
            kind = pa.struct(list(schema))
            if column.type != kind:
                column = pa.array(rows, kind)
        except _REFUSALS as error:
            raise _explain(texts, first, schema, unit, path, error) from error
        yield pa.Table.from_batches([pa.RecordBatch.from_struct_array(column)])


def _lines(blocks: Iterator[bytes], path: Path) -> Iterator[tuple[int, list[str]]]:
    for first, run in whole_rows(blocks, path=path):
        yield first, run.decode().split("\n")


def _records(blocks: Iterator[bytes], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the JSON of an array's items, in runs with the number of their first, from 1."""
    scan = json.JSONDecoder().raw_decode
    text, number, begun, ended = "", 1, False, False
    for block in chain(blocks, [b""]):
        text += block.decode()
        at = 0 if begun else text.index("[") + 1
        begun = True
        found: list[str] = []
        while not ended:
            # `at` is after the bracket or the item before.
            start = _after_blanks(text, at)
            next_number = number + len(found)
            if text.startswith("]", start):
                at, ended = start + 1, True
                break
            if next_number > 1:
                if start < len(text) and text[start] != ",":
                    raise _not_an_array(path, next_number, "expected a comma between records")
                start = _after_blanks(text, start + 1)
            if start >= len(text):
                break
            try:
                _, end = scan(text, start)
            except json.JSONDecodeError as error:
                if block and len(text) - start <= LONGEST_ROW:
                    break
                raise _not_an_array(path, next_number, error.msg) from error
            except RecursionError as error:
                raise _too_deep(f"record {next_number} of {path}") from error
            except ValueError as error:
                raise _too_long(f"record {next_number} of {path}") from error
            if end == len(text) and block:  # a number may go on
                break
            found.append(text[start:end])
            at = end
        text = text[at:]
        if found:
            yield number, found
            number += len(found)
    if not ended or text.strip():
        raise _not_an_array(path, number, "there is more after the array" if ended else "the array is not closed")


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _not_an_array(path: Path, number: int, why: str) -> DataError:
    return DataError(
        f"expected an array of JSON objects in {path}, but record {number} or what precedes it is not JSON: {why}; "
        "fix it"
    )


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{_EXPECTED}, but {where} is not JSON: {error.msg} at column {error.colno}; fix it") from error
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:
        raise _too_long(where) from error
    if type(value) is not dict:
        raise DataError(f"{_EXPECTED}, but {where} is {_KINDS[type(value)]}; write each row as an object")
    # Counting is quick and rules out nearly every line.
    if text.count("[") + text.count("{") > _DEEPEST and _is_deep(value):
        raise _too_deep(where)
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


def _too_deep(where: str) -> DataError:
    return DataError(
        f"expected JSON nested at most {_DEEPEST} deep, but {where} is deeper; keep only the columns you need"
    )


def _too_long(where: str) -> DataError:
    return DataError(f"{_EXPECTED}, but {where} has too long a number; write it as a string")


def _explain(texts: list[str], first: int, schema: pa.Schema, unit: str, path: Path, error: Exception) -> DataError:
    """Return the error for the first row that Arrow refuses, alone or together with the rows before it."""
    kinds = {field.name: kind for field in schema if (kind := _kind_of(field.type))}
    for number, text in enumerate(texts, first):
        row = json.loads(text) if text.strip() else {}
        where = f"{unit} {number} of {path}"
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
                return DataError(
                    f"expected plain values, but {name!r} in {where} cannot be read: {_cut(refusal)}; fix it"
                )
    return DataError(f"expected values of one type in a column, but those in {path} differ: {_cut(error)}; fix them")


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


def _cut(error: Exception) -> str:
    """Return a message of Arrow's, which may quote whole values, at a length that can be read."""
    return beginning(one_line(error), _LONGEST_MESSAGE)
