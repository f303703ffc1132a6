"""Several labels a text, in any usual container, as a matrix of which labels each text has."""

from __future__ import annotations

from typing import Any

import numpy as np

from textcnn.errors import DataError, quoted
from textcnn.inference.class_ids import as_labels, class_ids

_LISTS = (list, tuple, set, frozenset, np.ndarray)


def is_several(y: Any) -> bool:
    """Return whether labels are several a text: lists of such, or a matrix, dense or sparse, of two columns or more."""
    if _is_sparse(y):
        return True
    if getattr(y, "ndim", None) == 2:
        return bool(y.shape[1] != 1)
    if isinstance(y, (list, tuple)) or getattr(y, "dtype", None) == np.dtype(object):
        return any(isinstance(labels, _LISTS) for labels in y)
    return False


def as_label_sets(y: Any, texts: int, *, what: str = "y") -> tuple[np.ndarray, np.ndarray, bool]:
    """Return labels as classes and a matrix.

    Args:
        y: N lists (or tuples, sets) of labels, which may be empty; or a matrix of 0 and 1, (N, K): a numpy array, a
            scipy sparse matrix, a list of lists of 0 and 1, or a pandas DataFrame, whose columns name the classes.
        texts: N.
        what: names the argument in errors.

    Returns:
        The classes, (K,), sorted, or in the order of the columns; which labels each text has, (N, K) bool; and whether
        `y` was a matrix.

    Raises:
        DataError: `y` has another form, another length, or fewer than two labels in all.
    """
    matrix = _as_matrix(y, texts, what)
    if matrix is not None:
        names = getattr(y, "columns", None)
        classes = np.arange(matrix.shape[1]) if names is None else as_labels(list(names), len(names), what=what)
        return classes, matrix, True
    flat, _ = _flattened(y, texts, what)
    classes = np.unique(flat) if len(flat) else flat
    if len(classes) < 2:
        raise DataError(f"{what}: expected two labels or more in all, found {', '.join(map(str, classes)) or 'none'}")
    return classes, label_sets(y, texts, classes, what=what), False


def label_sets(y: Any, texts: int, classes: np.ndarray, *, what: str = "y") -> np.ndarray:
    """Return which of known classes each text has, (N, K) bool; arguments and errors as in `as_label_sets`.

    Args:
        y: labels, as there.
        texts: N.
        classes: the labels of a model in the order of their ids, (K,).
        what: names the argument in errors.

    Raises:
        DataError: also for a label that is not among the classes, or another number of columns.
    """
    matrix = _as_matrix(y, texts, what)
    if matrix is not None:
        if matrix.shape[1] != len(classes):
            raise DataError(f"{what}: expected {len(classes)} columns, one for each label, found {matrix.shape[1]}")
        return matrix
    flat, rows = _flattened(y, texts, what)
    out = np.zeros((texts, len(classes)), bool)
    if len(flat):
        out[rows, class_ids(flat, classes, what=what)] = True
    return out


def _is_sparse(y: Any) -> bool:
    return hasattr(y, "toarray") and hasattr(y, "nnz")


def _as_matrix(y: Any, texts: int, what: str) -> np.ndarray | None:
    """Return a matrix of 0 and 1 as booleans, (N, K); None for lists of labels."""
    if _is_sparse(y):
        y = y.toarray()
    elif isinstance(y, (list, tuple)):
        rows = [row for row in y if isinstance(row, (list, tuple, np.ndarray))]
        alike = len(rows) == len(y) and len({len(row) for row in rows}) == 1 and len(rows[0]) > 1
        if not alike or any(type(value) is str or value not in (0, 1) for row in rows for value in row):
            return None
    elif getattr(y, "ndim", None) != 2:
        return None
    found = np.asarray(y)
    if found.ndim != 2 or len(found) != texts or found.shape[1] < 2:
        raise DataError(
            f"{what}: expected a matrix of {texts} texts by two labels or more, found the shape {found.shape}"
        )
    if found.dtype.kind not in "biuf" or not ((found == 0) | (found == 1)).all():
        raise DataError(
            f"{what}: expected 0 or 1 for each text and label, found other values; give lists of labels, or one column "
            "for one class a text"
        )
    return found.astype(bool)


def _flattened(y: Any, texts: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of all texts, (M,), and the text of each, (M,)."""
    lists = list(y) if not isinstance(y, str) else [y]
    if len(lists) != texts:
        raise DataError(f"{what}: expected a list of labels for each of the {texts} texts, found {len(lists)}")
    for labels in lists:
        if not isinstance(labels, _LISTS):
            raise DataError(
                f"{what}: expected a list of labels for each text, such as ['a', 'b'], found {quoted(labels)} for one"
            )
    flat = [label for labels in lists for label in labels]
    rows = np.repeat(np.arange(texts), [len(labels) for labels in lists])
    return (as_labels(flat, len(flat), what=what) if flat else np.zeros(0, "U1")), rows
