"""Checks of what a saved model says about its training and its scores.

Anything may be missing or null. What is there must have the form that textcnn writes, so that a page or a card made
from it cannot fail; fields that nothing reads are not checked.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np

_SHARES = ("macro_f1", "micro_f1", "samples_f1", "average_precision", "ranking_loss", "majority")
LARGEST = 1e30  # of any number: plots in double precision have room for their margins


def check_training(training: Any, classes: int) -> None:
    """Raise ValueError, with the field's path and value, unless the facts about the training have their form.

    Args:
        training: `training` of config.json.
        classes: K.
    """
    _expect("training", training, "an object", _is_object)
    _check_settings(training.get("settings"), classes)
    for key, expected, right in (
        ("source", "a string", _is_string),
        ("date", "a string", _is_string),
        ("texts", "a whole number", _is_count),
        ("labels", f"{classes} whole numbers", lambda counts: _is_list(counts, _is_count) and len(counts) == classes),
        ("compression", "bits, dimension, words and ngrams, whole numbers", _is_compression),
        ("environment", "an object of strings and numbers", lambda facts: _is_object(facts, _is_plain)),
        ("neighbours", "an object of lists of words and cosines", lambda near: _is_object(near, _are_neighbours)),
        ("history", "an object", _is_object),
    ):
        if training.get(key) is not None:
            _expect(f"training.{key}", training[key], expected, right)
    epochs = (training.get("history") or {}).get("epochs")
    if epochs is not None:
        _expect("training.history.epochs", epochs, "a list of epochs with number, losses and accuracy", _are_epochs)


def check_metrics(metrics: Any, classes: int) -> None:
    """Raise ValueError, with the split and the figure, unless the scores have the form of `textcnn.metrics.evaluate`.

    Each split has an accuracy and a number of examples; its other figures may be missing.

    Args:
        metrics: the content of metrics.json.
        classes: K.
    """
    _expect("metrics", metrics, "an object", _is_object)
    for split, scores in metrics.items():
        _expect(split, scores, "an object with accuracy (0 to 1) and examples (a whole number)", _are_scores)
        for key, expected, right in (
            *((key, "a number from 0 to 1", _is_share) for key in _SHARES),
            ("log_loss", "a number", _is_number),
            ("classes", f"a list of the figures of {classes} classes", lambda rows: _are_rows(rows, classes)),
            ("teacher", "an object with accuracy and agreement (0 to 1)", _is_teacher),
            ("confusion", "numbers of texts by label and prediction", lambda cells: _is_confusion(cells, classes)),
        ):
            if scores.get(key) is not None:
                _expect(f"{split}.{key}", scores[key], expected, right)


def _check_settings(settings: Any, classes: int) -> None:
    if settings is None:
        return
    _expect("training.settings", settings, "an object of settings", lambda found: _is_object(found, _is_setting))
    weights = settings.get("class_weight")
    if isinstance(weights, list):
        expected = f"{classes} numbers"
        _expect("training.settings.class_weight", weights, expected, lambda found: len(found) == classes)


def _expect(where: str, value: Any, expected: str, right: Callable[[Any], bool]) -> None:
    if not right(value):
        raise ValueError(f"{ascii(where)[1:-1]:.80}: expected {expected}, found {reprlib.repr(value)}")


def _is_object(value: Any, right: Callable[[Any], bool] = lambda _: True) -> bool:
    return isinstance(value, dict) and all(map(right, value.values()))


def _is_list(value: Any, right: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(right, value))


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int) and value >= 0


def _is_compression(value: Any) -> bool:
    return _is_object(value) and all(_is_count(value.get(key)) for key in ("bits", "dimension", "words", "ngrams"))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool)) or _is_number(value)


def _is_setting(value: Any) -> bool:
    return _is_plain(value) or _is_list(value, _is_plain)


def _is_neighbour(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_string(value[0]) and _is_number(value[1])


def _are_neighbours(value: Any) -> bool:
    return _is_list(value, _is_neighbour)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_teacher(scores: Any) -> bool:
    return _is_object(scores) and all(_is_share(scores.get(key)) for key in ("accuracy", "agreement"))


def _are_scores(value: Any) -> bool:
    return isinstance(value, dict) and _is_share(value.get("accuracy")) and _is_count(value.get("examples"))


def _are_rows(value: Any, classes: int) -> bool:
    shares = ("precision", "recall", "f1")
    return (
        _is_list(
            value,
            lambda row: (
                isinstance(row, dict)
                and _is_string(row.get("name"))
                and all(_is_share(row.get(key)) for key in shares)
                and _is_count(row.get("support"))
                and all(row.get(key) is None or _is_share(row[key]) for key in ("average_precision", "threshold"))
            ),
        )
        and len(value) == classes
    )


def _is_confusion(value: Any, classes: int) -> bool:
    if isinstance(value, list):  # the whole matrix, as it once was saved
        return _is_matrix(value, classes)
    if not isinstance(value, dict):
        return False
    columns = [value.get(key) for key in ("label", "predicted", "texts")]
    if not all(_is_list(column, _is_count) for column in columns):
        return False
    labels, predicted, texts = map(np.array, columns)
    return len(labels) == len(predicted) == len(texts) and bool((np.append(labels, predicted) < classes).all())


def _is_matrix(value: list[Any], classes: int) -> bool:
    """Return whether a list is a matrix of whole numbers from 0 on; arrays, since there may be millions of them."""
    try:
        matrix = np.array(value)
    except ValueError:  # rows of several lengths
        return False
    return matrix.dtype.kind == "i" and matrix.shape == (classes, classes) and bool((matrix >= 0).all())


def _is_epoch(value: Any) -> bool:
    numbers = ("training_loss", "validation_loss", "accuracy")
    return (
        isinstance(value, dict)
        and _is_count(value.get("number"))
        and all(_is_number(value.get(key)) for key in numbers)
        and isinstance(value.get("best"), bool)
        and (value.get("micro_f1") is None or _is_number(value["micro_f1"]))
    )


def _are_epochs(value: Any) -> bool:
    return _is_list(value, _is_epoch) and (not value or any(epoch["best"] for epoch in value))
