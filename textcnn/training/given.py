"""What `TextCNNClassifier.fit` is given: validation texts, groups, weights, a teacher's probabilities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from textcnn.data.labelled import Labelled
from textcnn.data.soft_labels import SoftLabels, checked_probabilities
from textcnn.errors import DataError
from textcnn.inference.class_ids import as_labels, class_ids
from textcnn.inference.label_sets import is_several, label_sets
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS
from textcnn.text.columns import Texts, as_column


class Taught(NamedTuple):
    """What there is to learn from.

    Attributes:
        classes: sorted, (K,).
        labelled: the texts with labels; if none has one, all, with their most probable class.
        soft: the texts with probabilities.
        gold: whether some text has a label.
    """

    classes: np.ndarray
    labelled: Labelled
    soft: SoftLabels
    gold: bool


def taught_texts(
    texts: pa.ChunkedArray,
    probabilities: Any,
    classes: Any,
    labels: Any,
    *,
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Taught:
    """Return texts with labels and texts with soft labels.

    Args:
        texts: N strings.
        probabilities: of each class, (N, K); a row of NaN for a text that has none.
        classes: of each column, (K,).
        labels: of each text: a class, or a list of labels; None or NaN for a text without. None if no text has any.
        groups: of the texts, (N,), or None.
        weights: of the texts, (N,), or None.

    Raises:
        DataError: `classes` are not distinct, probabilities have another shape or are none, or a label is no class.
    """
    names = as_labels(list(classes), len(list(classes)), what="classes")
    if len(np.unique(names)) < max(len(names), 2):
        raise DataError(f"classes: expected two distinct classes or more, found {names.tolist()}")
    try:
        found = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("y: expected probabilities beside classes, found other values; give labels alone") from None
    if found.shape != (len(texts), len(names)):
        raise DataError(
            f"y: expected probabilities of {len(texts)} texts and {len(names)} classes, found the shape {found.shape}"
        )
    order = np.argsort(names)
    names, found = names[order], found[:, order]
    of_texts = _listed(labels, len(texts))
    has_label = np.array([not _is_missing(each) for each in of_texts], bool)
    own = [each for each, has in zip(of_texts, has_label.tolist(), strict=True) if has]
    several = is_several(own)
    answered = np.flatnonzero(~np.isnan(found).all(axis=1))
    nothing = np.isnan(found).all(axis=1) & ~has_label
    if nothing.any():
        row = int(nothing.argmax())
        raise DataError(f"y: expected probabilities of each text without a label, found none in row {row}")
    target = SEVERAL_LABELS if several else ONE_CLASS
    everything = np.zeros(found.shape, np.float32)
    everything[answered] = checked_probabilities(found[answered], target, what="y", rows=answered)
    soft = SoftLabels(texts, everything, weights).take(answered)
    if not has_label.any():
        return Taught(names, Labelled(texts, everything.argmax(axis=1), groups, weights), soft, gold=False)
    if several:
        ids = label_sets(own, len(own), names, what="labels")
    else:
        ids = class_ids(as_labels(own, len(own), what="labels"), names, what="labels")
    rows = np.flatnonzero(has_label)
    chosen = (None if each is None else each[rows] for each in (groups, weights))
    return Taught(names, Labelled(texts.take(pa.array(rows)), ids, *chosen), soft, gold=True)


def validation_texts(texts: Texts, labels: Any, classes: np.ndarray, *, several: bool) -> Labelled:
    """Return validation texts with their labels among `classes`, (K,); `several` if a text may have any number of them.

    Raises:
        DataError: texts or labels are not what they should be.
    """
    column = as_column(texts, what="validation X")
    if several:
        return Labelled(column, label_sets(labels, len(column), classes, what="validation y"))
    own = as_labels(labels, len(column), what="validation y")
    return Labelled(column, class_ids(own, classes, what="validation y"))


def checked_groups(groups: Any, texts: int) -> np.ndarray | None:
    """Return the groups of N texts as numbers, (N,), or None; DataError unless there is one for each text."""
    if groups is None:
        return None
    if np.shape(groups) != (texts,):
        raise DataError(f"groups: expected one for each of the {texts} texts, found the shape {np.shape(groups)}")
    return np.unique(np.asarray(groups), return_inverse=True)[1]


def checked_weights(weights: Any, texts: int) -> np.ndarray | None:
    """Return the weights of N texts, (N,) float64, or None; DataError unless they are numbers from 0 on, some above."""
    if weights is None:
        return None
    try:
        found = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("sample_weight: expected numbers, found something else") from None
    if found.shape != (texts,):
        raise DataError(f"sample_weight: expected one for each of the {texts} texts, found the shape {found.shape}")
    if not np.isfinite(found).all() or (found < 0).any():
        wrong = found[~np.isfinite(found) | (found < 0)][0]
        raise DataError(f"sample_weight: expected numbers from 0 on, found {wrong}")
    if not found.any():
        raise DataError("sample_weight: expected a weight above 0, found none")
    return found


def _listed(labels: Any, texts: int) -> list[Any]:
    """Return labels as a list, of None where there are no labels."""
    if labels is None:
        return [None] * texts
    found = list(labels)
    if len(found) != texts:
        raise DataError(
            f"labels: expected one for each of the {texts} texts, None where there is none, found {len(found)}"
        )
    return found


def _is_missing(label: Any) -> bool:
    """Return whether a label is None or NaN."""
    return label is None or (isinstance(label, float) and np.isnan(label))
