"""Labels in any usual container as an array of one type, and as class ids."""

from __future__ import annotations

from collections.abc import Iterator, ValuesView
from typing import Any

import numpy as np

from textcnn.errors import DataError, listed, quoted


def as_labels(y: Any, texts: int, *, what: str = "y") -> np.ndarray:
    """Return labels as an array of one type, (N,).

    Args:
        y: strings, integers, floats or booleans, one for each text: a list, numpy array, pandas Series or the like, of
            one dimension or one column.
        texts: N.
        what: names the argument in errors.

    Raises:
        DataError: not one label for each text, a missing label, labels of several types, or half a character in one.
    """
    if texts == 0:
        raise DataError(f"{what}: expected labels of texts, found no texts")
    if isinstance(y, Iterator | ValuesView):
        y = list(y)
    # A list keeps its own types: numpy would make strings of "a" and 1, and a number of a missing label.
    labels = np.array(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "T":  # numpy's strings of any length
        labels = labels.astype(object)
    if labels.ndim != 1 or len(labels) != texts:
        raise DataError(f"{what}: expected one label for each of the {texts} texts, found the shape {labels.shape}")
    if labels.dtype == object:
        labels = _plain(labels)
        kinds = {type(label) for label in labels}
        if kinds & {list, tuple, set, frozenset, np.ndarray}:
            found = next(label for label in labels if not isinstance(label, str))
            raise DataError(
                f"{what}: expected one label for each text, such as 'a', found {found!r:.60} for one; "
                "a text has exactly one class"
            )
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DataError(f"{what}: expected labels of one type, none missing, found {names}")
        labels = np.array(labels.tolist())
    if labels.dtype.kind not in "Uiubf":
        raise DataError(f"{what}: expected labels that are strings, numbers or booleans, found {labels.dtype}")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"{what}: expected labels, none missing, found {labels[~np.isfinite(labels)][0]}")
    if labels.dtype.kind == "U":
        codes = np.ascontiguousarray(labels, labels.dtype.newbyteorder("=")).view(np.uint32).reshape(texts, -1)
        halves = (codes >> 11 == 0xD800 >> 11).any(axis=1)
        if halves.any():
            found = str(labels[halves][0])
            raise DataError(
                f"{what}: expected Unicode text, found a lone surrogate (half a character) in {found!a:.80}"
            )
    return labels


def _plain(labels: np.ndarray) -> np.ndarray:
    """Return the objects, numpy's scalars among them as Python's."""
    plain = np.empty(len(labels), dtype=object)
    plain[:] = [label.item() if isinstance(label, np.generic) else label for label in labels]
    return plain


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
        found = labels[unknown][0].item()
        known = [quoted(label) for label in classes.tolist()]
        raise DataError(f"{what}: expected labels seen in training ({listed(known)}), found {quoted(found)}")
    return ids
