"""What the body of a request may hold: JSON Schemas, which requests are checked by and the OpenAPI document shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from textcnn.errors import listed, nearest_names, quoted
from textcnn.serving._bodies import Refusal

Schemas = dict[str, dict[str, Any]]

TEXTS: Schemas = {
    "texts": {"type": "array", "items": {"type": "string"}, "description": "The texts."},
    "text": {"type": "string", "description": "One text, in the place of `texts`."},
}
PREDICT: Schemas = TEXTS | {
    "proba": {"type": "boolean", "default": False, "description": "Give the probability of every class."},
    "top_k": {
        "type": "integer",
        "minimum": 1,
        "description": "Give this many classes, the most probable first, in the place of those that are predicted.",
    },
    "min_confidence": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0,
        "description": "Predict no label where the best class is less probable.",
    },
}
EXPLAIN: Schemas = TEXTS

_TYPES: dict[str, tuple[type, ...]] = {"boolean": (bool,), "integer": (int,), "number": (int, float), "string": (str,)}
_WORDS = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "a string"}
_JSON = {str: "a string", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


def parse(body: bytes, schemas: Schemas, *, max_texts: int) -> tuple[list[str], dict[str, Any]]:
    """Return the texts and the options of a body; messages of errors have no texts in them.

    Args:
        body: a JSON object in UTF-8.
        schemas: of its values, by key.
        max_texts: that it may hold.

    Raises:
        Refusal: it is no JSON (400), or is not as the schemas say (422).
    """
    options = _object(body)
    for key, value in options.items():
        if key not in schemas:
            near = nearest_names(key, schemas) or "; leave it out"
            raise Refusal(422, f"expected only the keys {listed([*schemas])}, found {quoted(key)}{near}")
        if key != "texts":
            _check(key, value, schemas[key])
    if ("text" in options) == ("texts" in options):
        found = "both" if "text" in options else "neither"
        raise Refusal(422, f'expected either "texts", a list of strings, or "text", a string, found {found}')
    texts = [options.pop("text")] if "text" in options else options.pop("texts")
    _check_texts(texts, max_texts)
    return texts, options


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refusal(
            400, f"expected JSON in UTF-8, found the byte {body[error.start]:#04x} at {error.start}"
        ) from None
    except json.JSONDecodeError as error:
        raise Refusal(
            400,
            f'expected JSON such as {{"texts": ["not bad"]}}, found none: {error.msg} in line {error.lineno}, '
            f"column {error.colno}",
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or brackets in brackets
        raise Refusal(400, "expected JSON of plain numbers and texts, found too large or too deep a value") from None
    if not isinstance(found, dict):
        raise Refusal(422, f'expected an object such as {{"texts": ["not bad"]}}, found {_kind(found)}')
    return found


def _kind(value: Any) -> str:
    return _JSON.get(type(value), "null")


def _check(key: str, value: Any, schema: Mapping[str, Any]) -> None:
    """Raise Refusal unless an option is of its type and within its bounds."""
    kind = schema["type"]
    least, most = schema.get("minimum", -float("inf")), schema.get("maximum", float("inf"))
    right = isinstance(value, _TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)
    if right and (kind in ("boolean", "string") or least <= value <= most):
        return
    bounds = (
        f" from {least} to {most}" if "maximum" in schema else f" of at least {least}" if "minimum" in schema else ""
    )
    raise Refusal(422, f"{key}: expected {_WORDS[kind]}{bounds}, found {quoted(value) if right else _kind(value)}")


def _check_texts(texts: Any, most: int) -> None:
    """Raise Refusal unless these are so many strings of Unicode."""
    if not isinstance(texts, list):
        raise Refusal(422, f'texts: expected a list of strings, found {_kind(texts)}; one text goes into "text"')
    if len(texts) > most:
        raise Refusal(422, f"texts: expected at most {most:,}, found {len(texts):,}; send several requests")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise Refusal(422, f"texts[{row}]: expected a string, found {_kind(text)}")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Refusal(
                422, f"texts[{row}]: expected Unicode text, found a lone surrogate (half a character); send both halves"
            ) from None
