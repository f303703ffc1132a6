"""What a prediction adds to a table of texts, as Arrow columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.inference.decisions import NOTES, Decisions, notes, rounded
from textcnn.inference.predictor import Scores
from textcnn.text.columns import strings


def prediction_columns(decisions: Decisions, scores: Scores, labels: pa.Array | None = None) -> dict[str, pa.Array]:
    """Return the columns of the predictions of N texts, by name.

    They are `prediction` and `probability`, lists where a text may have several labels; with `top_k` above 1
    `prediction_2`, `probability_2` and so on; with `proba` those of `probability_columns`; and `note`, which is
    `empty`, `unknown` (the model knows none of the text's words) or nothing.

    Args:
        decisions: what is predicted by the scores.
        scores: of the texts.
        labels: the classes as they are written, (K,); None for `typed_labels`.
    """
    probabilities = scores.probabilities
    labels = typed_labels(decisions.classes) if labels is None else labels
    columns = {}
    if decisions.several:
        both = label_lists(decisions, probabilities, labels, lambda found: numbers(rounded(found)))
        columns = dict(zip(("prediction", "probability"), both, strict=True))
    for rank, best in enumerate([] if decisions.several else decisions.ranked(probabilities).T, 1):
        suffix = f"_{rank}" if rank > 1 else ""
        predicted = labels.take(numbers(best))
        if rank == 1:
            predicted = without_abstentions(decisions, probabilities, predicted, pa.nulls(1, labels.type)[0])
        columns[f"prediction{suffix}"] = predicted
        columns[f"probability{suffix}"] = numbers(rounded(probabilities[np.arange(len(best)), best]))
    if decisions.proba:
        columns |= probability_columns([str(label) for label in decisions.classes], probabilities)
    columns["note"] = strings(NOTES).take(numbers(notes(scores)))
    return columns


def no_scores(classes: int) -> Scores:
    """Return the scores of no texts by a model of K classes."""
    return Scores(np.zeros((0, classes), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))


def typed_labels(classes: Sequence[Any]) -> pa.Array:
    """Return the classes as a column of their own type, (K,)."""
    if all(isinstance(label, str) for label in classes):
        return strings(classes)
    return pa.array(classes)


def label_lists(
    decisions: Decisions, probabilities: np.ndarray, labels: pa.Array, values: Callable[[np.ndarray], pa.Array]
) -> tuple[pa.Array, pa.Array]:
    """Return the labels of texts that have several, and their probabilities, as lists.

    Args:
        decisions: what is predicted.
        probabilities: (N, K).
        labels: the classes as they are written, (K,).
        values: how probabilities are written, (M,).
    """
    ids, found, offsets = decisions.chosen(probabilities)
    own = numbers(offsets)
    return pa.ListArray.from_arrays(own, labels.take(numbers(ids))), pa.ListArray.from_arrays(own, values(found))


def without_abstentions(decisions: Decisions, probabilities: np.ndarray, predicted: pa.Array, none: Any) -> pa.Array:
    """Put `none` where no class is predicted."""
    if not decisions.min_confidence and decisions.thresholds is None:
        return predicted
    abstains = numbers(decisions.abstains(probabilities).astype(np.int8)).cast(pa.bool_())
    return pc.if_else(abstains, none, predicted)


def probability_columns(names: Sequence[str], probabilities: np.ndarray) -> dict[str, pa.Array]:
    """Return a column for each class, by the column's name, from probabilities, (N, K)."""
    columns = zip(names, probabilities.T, strict=True)
    return {f"probability:{name}": numbers(rounded(column)) for name, column in columns}


def numbers(values: np.ndarray) -> pa.Array:
    """Return numbers as an Arrow column, from their buffer: pyarrow imports pandas to convert numpy arrays."""
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, buffer])
