"""A trained model as an ONNX file, and beside it, as JSON, what turns texts into ids without textcnn."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError, ModelError
from textcnn.files import check_output, written_whole
from textcnn.inference.predictor import Predictor
from textcnn.text.tokenizer import BEFORE_LOWER, pattern_of
from textcnn.text.vocabulary import FIRST_WORD, UNKNOWN
from textcnn.version import __version__


def to_onnx(predictor: Predictor, path: Path, *, overwrite: bool = False) -> Path:
    """Write a model as an ONNX file (opset 12), and beside it a JSON file with all that turns texts into ids.

    Inputs of the ONNX model are `ids`, (N,) int64, of the tokens of B texts, one text after the other, and `offsets`,
    (B + 1,) int64: text b has `ids[offsets[b]:offsets[b + 1]]`. Its output is `probabilities`, (B, K) float32, those
    of `predict_proba` up to rounding. Thresholds are left to the caller; the metadata has them (`thresholds`, as JSON,
    where a text may have several labels) beside `classes`, `target` and the version, `textcnn`.

    The JSON file has the name of the ONNX file with the ending `.json`:

        normalization  the Unicode form that a text is brought to first
        lowercase      whether it is lower-cased then, character by character,
        before_lower   after these characters are replaced
        pattern        a regular expression of Python: its matches in the text are the tokens,
        one_space      and where this is true, white space in them is one space
        max_length     how many of these are read, from the first; null for all
        words          of the vocabulary; their ids follow one another from first_id
        unknown_id     of all other tokens
        target         `class` (the most probable class) or `labels` (all that reach their thresholds)
        classes        in the order of the probabilities
        thresholds     of the labels; null for one class

    Args:
        predictor: the model.
        path: the ONNX file.
        overwrite: replace files that exist.

    Returns:
        The JSON file.

    Raises:
        ConfigError: onnx is not installed, the architecture or a model with character n-grams cannot be exported, or
            the model is too large for a file.
        ModelError: `path` does not end in `.onnx`, or a file exists.
        OSError: a file cannot be written.
    """
    if path.suffix != ".onnx":
        raise ModelError(f"{path}: expected a name that ends in .onnx")
    beside = path.with_suffix(".json")
    for file in (path, beside):
        check_output(file, overwrite=overwrite, error=ModelError)
    if predictor.subwords is not None:
        raise ConfigError(
            "export: expected a model of whole words, found one with character n-grams, which ids cannot name; "
            "train one without --char-ngrams"
        )
    if find_spec("onnx") is None:
        raise ConfigError(
            "export: expected the library onnx, which is not installed; install it: pip install 'textcnn[onnx]'"
        )
    from onnx import helper

    from textcnn.export._scoring import scoring_graph

    model = scoring_graph(predictor)
    model.producer_name, model.producer_version = "textcnn", __version__
    labels = _labels(predictor)
    properties = {name: json.dumps(value, ensure_ascii=False) for name, value in labels.items() if value is not None}
    helper.set_model_props(model, {"textcnn": __version__, **properties})
    rules = json.dumps(
        {"textcnn": __version__, **_text_rules(predictor), **labels}, ensure_ascii=False, allow_nan=False
    )
    with written_whole(path) as graph, written_whole(beside) as text:
        graph.write(model.SerializeToString())
        text.write(f"{rules}\n".encode())
    return beside


def _labels(predictor: Predictor) -> dict[str, Any]:
    """Return what the probabilities are of."""
    thresholds = predictor.artifact.thresholds
    return {
        "target": predictor.target.name,
        "classes": predictor.classes_.tolist(),
        "thresholds": None if thresholds is None else thresholds.tolist(),
    }


def _text_rules(predictor: Predictor) -> dict[str, Any]:
    """Return how a text becomes ids."""
    text = predictor.artifact.text
    return {
        "normalization": "NFC",
        "lowercase": text.lowercase,
        "before_lower": BEFORE_LOWER,
        "pattern": pattern_of(text.tokenizer),
        "one_space": text.tokenizer == "characters",
        "max_length": text.max_length,
        "unknown_id": UNKNOWN,
        "first_id": FIRST_WORD,
        "words": list(predictor.vocabulary.words),
    }
