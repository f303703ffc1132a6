"""Labels in any usual container as an array of one type, and as class ids."""

from __future__ import annotations

from typing import Any

import numpy as np

from textcnn.errors import DataError


def as_labels(y: Any, texts: int, *, what: str = "y") -> np.ndarray:
    """Return labels as an array of one type, (N,).

    Args:
        y: strings, integers, floats or booleans, one for each text: a list, numpy array, pandas Series or the like.
        texts: N.
        what: names the argument in errors.

    Raises:
        DataError: not one label for each text, a missing label, or labels of several types.
    """
    if texts == 0:
        raise DataError(f"{what}: expected labels of texts, found no texts")
    # A list keeps its own types: numpy would make strings of "a" and 1, and a number of a missing label.
    labels = np.array(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if labels.ndim != 1 or len(labels) != texts:
        raise DataError(f"{what}: expected one label for each of the {texts} texts, found the shape {labels.shape}")
    if labels.dtype == object:
        kinds = {type(label) for label in labels}
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DataError(f"{what}: expected labels of one type, none missing, found {names}")
        labels = np.array(labels.tolist())
    if labels.dtype.kind not in "Uiubf":
        raise DataError(f"{what}: expected labels that are strings, numbers or booleans, found {labels.dtype}")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"{what}: expected labels, none missing, found {labels[~np.isfinite(labels)][0]}")
    return labels


def class_ids(labels: np.ndarray, classes: np.ndarray, *, what: str = "y") -> np.ndarray:
    """Return the class id of each label, (N,) int64.

    Args:
        labels: (N,).
        classes: the labels of a model in the order of their ids, (K,).
        what: names the argument in errors.

    Raises:
        DataError: a label that is not among the classes.
    """
    order = np.argsort(classes)
    ids = order[np.searchsorted(classes, labels, sorter=order).clip(max=len(classes) - 1)]
    unknown = classes[ids] != labels
    if unknown.any():
        found = labels[unknown][0]
        raise DataError(f"{what}: expected labels seen in training {classes.tolist()}, found {found!r}")
    return ids
