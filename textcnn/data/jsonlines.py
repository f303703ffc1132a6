"""JSON Lines as Arrow tables: parsed by Arrow, and by Python only to say what is wrong where.

Arrow infers types for each run of lines. Here a column keeps its type from run to run (whole numbers may turn
into others, absent values into any), strings that look like times stay strings, and nesting is bounded, since
Arrow's recursion over nested types is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from textcnn.data.blocks import whole_rows
from textcnn.errors import DataError

_DEEPEST = 64
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1
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


def json_tables(blocks: Iterator[bytes], *, path: Path) -> Iterator[pa.Table]:
    """Parse JSON Lines, one object a line; blank lines are passed over.

    Args:
        blocks: the file as UTF-8.
        path: the file, for the errors.

    Yields:
        A table for each run of lines. A later one has all columns of the earlier, in their order, and new ones behind.

    Raises:
        DataError: a line is no JSON object, a column changes its type, or a value is nested too deeply.
    """
    schema = pa.schema([])
    for line, run in whole_rows(blocks, path=path):
        if not run.strip():
            continue
        _check_depth(run, line, path)
        try:
            table = _parse(run, schema)
        except (pa.ArrowException, OverflowError) as error:
            raise _explain(run, line, path, schema, error) from error
        rows = run.count(b"\n") + (not run.endswith(b"\n"))
        if table.num_rows != rows and table.num_rows != sum(1 for row in run.split(b"\n") if row.strip()):
            raise _explain(run, line, path, schema, None)
        schema = table.schema
        yield table


def _parse(run: bytes, schema: pa.Schema) -> pa.Table:
    """Parse with the columns known so far, or, where these do not fit, with their union with what is found."""
    try:
        table = _read(run, schema)
    except pa.ArrowInvalid:
        found = _without_times(_read(run, pa.schema([])).schema)
        return _read(run, pa.unify_schemas([schema, found], promote_options="permissive"))
    plain = _without_times(table.schema)
    return table if plain == table.schema else _read(run, plain)


def _read(run: bytes, schema: pa.Schema) -> pa.Table:
    return arrow_json.read_json(
        pa.BufferReader(run),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(run) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
    )


def _without_times(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_without_time(field.type)) for field in schema])


def _without_time(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_time(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_time(field.type)) for field in kind])
    return kind


def _check_depth(run: bytes, line: int, path: Path) -> None:
    """Raise where brackets are nested too deeply; those within strings are taken out only if they might matter."""
    if _too_deep(run) < 0:
        return
    bare = _STRING.sub(b"", run)
    at = _too_deep(bare)
    if at >= 0:
        line += bare.count(b"\n", 0, at)
        raise DataError(
            f"expected JSON nested at most {_DEEPEST} deep, but line {line} of {path} is deeper; "
            "keep only the columns that are needed"
        )


def _too_deep(data: bytes) -> int:
    """Position of the first bracket that is too deep, or -1."""
    depth = np.cumsum(_STEPS[np.frombuffer(data, np.uint8)], dtype=np.int32)
    deep = depth - np.minimum.accumulate(np.minimum(depth, 0)) > _DEEPEST
    return int(deep.argmax()) if deep.any() else -1


def _explain(run: bytes, line: int, path: Path, schema: pa.Schema, error: Exception | None) -> DataError:
    """Find by Python what Arrow refused, and say so."""
    kinds = {field.name: kind for field in schema if (kind := _arrow_kind(field.type))}
    for number, row in enumerate(run.split(b"\n"), line):
        if not row.strip():
            continue
        where = f"line {number} of {path}"
        try:
            value = json.loads(row)
        except json.JSONDecodeError as wrong:
            return DataError(f"{_EXPECTED}, but {where} is not JSON: {wrong.msg} at column {wrong.colno}; mend it")
        except (ValueError, RecursionError):
            return DataError(f"{_EXPECTED}, but {where} has a number too long to read; write it as a string")
        if not isinstance(value, dict):
            return DataError(f"{_EXPECTED}, but {where} is {_KINDS[type(value)]}; write each row as an object")
        for key, item in value.items():
            kind = _KINDS[type(item)]
            if item is not None and kinds.setdefault(key, kind) != kind:
                return DataError(
                    f"expected values of one type in a column, but {key!r} in {where} is {kind}, "
                    f"and {kinds[key]} before; write it one way throughout"
                )
    reason = " ".join(str(error).split()) if error else "it has other rows than lines"
    return DataError(f"{_EXPECTED}, but {path} from line {line} on cannot be read: {reason}; mend it")


def _arrow_kind(kind: pa.DataType) -> str | None:
    """What a column known so far holds, in the words of ``_KINDS``; None where that is not known yet."""
    types = pa.types
    if types.is_integer(kind) or types.is_floating(kind):
        return _KINDS[int]
    for test, python in (
        (types.is_string, str),
        (types.is_boolean, bool),
        (types.is_list, list),
        (types.is_struct, dict),
    ):
        if test(kind):
            return _KINDS[python]
    return None
