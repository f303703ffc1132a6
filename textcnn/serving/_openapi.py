"""The OpenAPI document of the app, and a page of it that loads nothing."""

from __future__ import annotations

from importlib import resources
from typing import Any

from textcnn.serving._options import EXPLAIN, PREDICT, Schemas
from textcnn.version import __version__

_LABEL = {"description": "A class; null where none is probable enough, a list where a text may have several."}
_PROBABILITY = {"description": "Its probability; a list of several."}
_PREDICTION: Schemas = {
    "prediction": _LABEL,
    "probability": _PROBABILITY,
    "top": {
        "type": "array",
        "description": "With top_k above 1: the most probable classes.",
        "items": {"type": "object", "properties": {"label": {}, "probability": {"type": "number"}}},
    },
    "probabilities": {
        "type": "object",
        "description": "With proba: the probability of every class.",
        "additionalProperties": {"type": "number"},
    },
    "note": {
        "type": "string",
        "enum": ["unknown", "empty"],
        "description": "That the model knows no word of the text, or that there is none.",
    },
}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_EXPLANATION: Schemas = {
    "text": {"type": "string"},
    "prediction": _LABEL,
    "classes": {"type": "array", "description": "All classes; numbers per class are in their order."},
    "probabilities": _NUMBERS,
    "logits": _NUMBERS,
    "method": {"type": "string", "enum": ["exact", "integrated gradients"]},
    "gap": {"type": "number", "description": "The largest difference between a logit and the sum of its parts."},
    "bias": _NUMBERS | {"description": "The part of each logit that no word adds."},
    "explained": {"description": "The class that the scores are for."},
    "words": {"type": "array", "description": "Each word's place in the text, parts of the logits, and score."},
    "ngrams": {"type": "array", "description": "N-grams with their scores, the largest first."},
    "features": {"type": "array", "description": "The summands of the logits, a window of words each."},
}
_HEALTH: Schemas = {
    "status": {"type": "string", "enum": ["ok"]},
    "textcnn": {"type": "string", "description": "The version that answers."},
    "model": {"type": "object", "description": "Its architecture, its classes, and when it was loaded."},
}
EXAMPLE = {"texts": ["not bad at all", "a waste of a good cast"]}


def openapi(*, max_body: int, max_texts: int, explained: int) -> dict[str, Any]:
    """Return the document (OpenAPI 3.1), with the limits of the app."""
    errors = {
        "400": "The body is no JSON in UTF-8.",
        "408": "The body does not arrive in time.",
        "413": f"The body has more than {max_body:,} bytes.",
        "422": f"The body is not as described, or has more than {max_texts:,} texts.",
        "500": "The server failed.",
    }
    more = errors | {"422": f"{errors['422'][:-1]}, or more than {explained:,} characters."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "textcnn",
            "version": __version__,
            "description": "Predictions of a text classifier and the reasons for them.",
        },
        "paths": {
            "/predict": {"post": _posted("Label texts.", PREDICT, "predictions", _PREDICTION, errors)},
            "/explain": {"post": _posted("Explain the labels of texts.", EXPLAIN, "explanations", _EXPLANATION, more)},
            "/health": {"get": _got("Tell whether the server answers, and with which model.", _object(_HEALTH))},
            "/metrics": {"get": _got("Return metrics for Prometheus.", {"type": "string"}, "text/plain")},
            "/openapi.json": {"get": _got("Return this document.", {"type": "object"})},
            "/docs": {"get": _got("Show this document as a page.", {"type": "string"}, "text/html")},
        },
        "components": {
            "schemas": {"Error": _object({"error": {"type": "string", "description": "One line."}}, ["error"])}
        },
    }


def _object(properties: Schemas, required: list[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _content(description: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _got(summary: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _content("The answer.", schema, media)}}


def _posted(summary: str, request: Schemas, key: str, answer: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    """Return an operation that takes texts and returns an object for each."""
    either = {"oneOf": [{"required": ["texts"]}, {"required": ["text"]}], "additionalProperties": False}
    body = {"schema": _object(request) | either, "example": EXAMPLE}
    answers = _object({key: {"type": "array", "items": _object(answer)}}, [key])
    error = {"$ref": "#/components/schemas/Error"}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": _content("An object for each text, in their order.", answers),
            **{status: _content(description, error) for status, description in errors.items()},
        },
    }


def docs(document: dict[str, Any]) -> str:
    """Return the page of a document that `openapi` made."""
    from textcnn.report.page import render

    return render(resources.files("textcnn.serving").joinpath("docs.html"), document=document)
