"""JSON of a saved model: UTF-8, finite numbers, whole characters, and a hash of an object inside the object."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textcnn.errors import ModelError, one_line

HASH = "sha256"  # field with the hash of all others

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(content: bytes, path: Path) -> Any:
    """Return the value of JSON in UTF-8.

    Raises:
        ModelError: it is something else, a number is not finite, or a string has half a character.
    """
    try:
        value = json.loads(content.decode(), parse_float=_finite, parse_constant=_finite)
        escaped = _ESCAPED_SURROGATE.search(content)  # alone or as one of a pair
        half = _SURROGATE.search(json.dumps(value, ensure_ascii=False)) if escaped else None
    except OverflowError as error:
        raise ModelError(f"{path}: expected finite numbers, found {error}") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{path}: expected JSON, found something else") from None
    if half:
        raise ModelError(f"{path}: expected Unicode text, found a lone surrogate (half a character), {half[0]!a}")
    return value


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise OverflowError(literal[:40])
    return number


def dump(value: Any, path: Path, indent: int | None = None) -> bytes:
    """Return JSON in UTF-8; ModelError, with the file and what is wrong, for what `parse` refuses."""
    try:
        content = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False) + "\n"
    except ValueError as error:
        raise ModelError(f"{path}: expected finite numbers to save, found a fault: {one_line(error)}") from None
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        begin, end = content.rfind('"', 0, error.start), content.find('"', error.start)
        found = content[begin + 1 : end]
        raise ModelError(
            f"{path}: expected Unicode text to save, found a lone surrogate (half a character) in {found!a:.80}"
        ) from None


def hash_of(fields: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an object without its field `HASH`: as JSON with sorted keys and no white space."""
    others = {name: value for name, value in fields.items() if name != HASH}
    return hashlib.sha256(json.dumps(others, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_hash(fields: Mapping[str, Any], path: Path) -> None:
    """Raise ModelError if an object is not the one that its field `HASH` was made of; it may do without the field."""
    if HASH in fields and fields[HASH] != hash_of(fields):
        raise ModelError(
            f"{path}: expected the content whose SHA-256 it names, found another: the file is damaged or was edited; "
            f"copy the model again or train it again, or remove the field {HASH!r} if you edited the file on purpose"
        )
