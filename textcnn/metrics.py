"""Figures of labels and probabilities, softmax, and temperature scaling.

Temperature scaling and calibration: Guo et al. 2017, On Calibration of Modern Neural Networks, sections 4.2 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

LEAST, MOST = 0.5, 8.0  # bounds of the temperature
ENOUGH = 50  # validation texts: fewer are too few for a temperature
_TOO_FEW = 10  # texts: one class for all of fewer says nothing
_BLOCK = 1 << 20  # scores at a time
_MOST_SCORES = 1 << 23  # that the temperature is fitted on
_STEPS = 60  # of the search: (2 / 3)^60 of the first interval remains


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean F1 of the classes that occur in either of the class ids, (N,)."""
    found = np.union1d(truth, predicted)
    return float(by_class(np.searchsorted(found, truth), np.searchsorted(found, predicted), len(found)).f1.mean())


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log-probability, in nats, of the true classes (N,) under probabilities (N, K).

    A probability of 0 counts as the smallest normal number.
    """
    return float(-log_of(probabilities[np.arange(len(truth)), truth]).mean())


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, in nats; 0 counts as the smallest normal number.

    Of all classes, (N, K), they are logits, but for what a text's logits have in common.
    """
    out: np.ndarray = np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny))
    return out


def evaluate(truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Return all figures of a test set, ready for JSON.

    Args:
        truth: class ids, (N,).
        probabilities: of each class, (N, K).
        names: of the classes, (K,).

    Returns:
        `examples`, `accuracy`, `macro_f1`, `log_loss`, `majority` (the accuracy of always predicting the most frequent
        class), `classes` (precision, recall, F1 and support of each) and `confusion` (how often a class, `label`, was
        `predicted` as another or itself: class ids and numbers of `texts`, where there are any; see
        `confusion_matrix`).
    """
    predicted = probabilities.argmax(axis=1)  # (N,)
    return {
        "examples": len(truth),
        "accuracy": float((predicted == truth).mean()),
        "macro_f1": macro_f1(truth, predicted),
        "log_loss": log_loss(truth, probabilities),
        "majority": float(np.bincount(truth, minlength=len(names)).max() / len(truth)),
        "classes": by_class(truth, predicted, len(names)).rows(names),
        "confusion": _confusion(truth, predicted, len(names)),
    }


def _confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> dict[str, list[int]]:
    """Return the cells of the confusion matrix that are not 0, by rows."""
    cells, texts = np.unique(truth.astype(np.int64) * classes + predicted, return_counts=True)
    labels, found = np.divmod(cells, classes)
    return {"label": labels.tolist(), "predicted": found.tolist(), "texts": texts.tolist()}


def sparse_confusion(matrix: Sequence[Sequence[int]]) -> dict[str, list[int]]:
    """Return a confusion matrix, (K, K), as `evaluate` does."""
    dense = np.asarray(matrix)
    labels, predicted = np.nonzero(dense)
    return {"label": labels.tolist(), "predicted": predicted.tolist(), "texts": dense[labels, predicted].tolist()}


def confusion_matrix(figures: Mapping[str, Any]) -> np.ndarray:
    """Return the confusion matrix of `evaluate`'s figures, (K, K): a row per true class, a column per predicted one."""
    cells, classes = figures["confusion"], len(figures["classes"])
    matrix = np.zeros((classes, classes), np.int64)
    matrix[cells["label"], cells["predicted"]] = cells["texts"]
    return matrix


def doubt(truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> str | None:
    """Return what shows that a model has learned nothing, or None.

    Args:
        truth: class ids, (N,).
        probabilities: of each class, (N, K).
        names: of the classes, (K,).

    Returns:
        That one class is predicted for all of ten texts or more, which have several; or that the log-loss is above
        twice that of equal probabilities, as it is where training diverged.
    """
    if not len(truth):
        return None
    predicted = probabilities.argmax(axis=1)  # (N,)
    if len(truth) >= _TOO_FEW and (predicted == predicted[0]).all() and (truth != truth[0]).any():
        return f"the model predicts {names[predicted[0]]!r} for each of {len(truth):,} texts"
    loss, equal = log_loss(truth, probabilities), float(np.log(len(names)))
    if loss > 2 * equal:
        return f"the log-loss {loss:.2f} is far above {equal:.2f}, that of equal probabilities"
    return None


class ByClass(NamedTuple):
    """Figures of K classes, each (K,); one whose denominator is 0 is 0."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray

    def rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return the figures of each class with its name, ready for JSON."""
        columns = {name: column.tolist() for name, column in self._asdict().items()}
        return [
            {"name": str(name), **{key: values[k] for key, values in columns.items()}} for k, name in enumerate(names)
        ]


def by_class(truth: np.ndarray, predicted: np.ndarray, classes: int) -> ByClass:
    """Return precision, recall, F1 and support of each class from class ids, (N,)."""
    right, had, given = (np.bincount(ids, minlength=classes) for ids in (truth[truth == predicted], truth, predicted))
    return of_counts(right, had, given)


def of_counts(right: np.ndarray, had: np.ndarray, given: np.ndarray) -> ByClass:
    """Return the figures of K classes that so many texts have, are given, and have and are given (`right`), (K,)."""
    precision, recall = right / np.maximum(given, 1), right / np.maximum(had, 1)
    return ByClass(precision, recall, 2 * right / np.maximum(had + given, 1), had)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature T under which softmax(logits / T) makes the labels most likely.

    The loss is convex in 1 / T, so ternary search finds its minimum. Deviations: T is bounded to 0.5 to 8, since it
    would go to 0, and all probabilities to 0 or 1, if every validation text is classified correctly; and too few texts
    leave it at 1.

    Args:
        logits: of the validation texts, (N, K). With more than `_MOST_SCORES` of them every n-th text's are enough.
        labels: their class ids, (N,).

    Returns:
        T; 1 for fewer than 50 texts.
    """
    if len(labels) < ENOUGH:
        return 1.0
    step = min(-(-logits.size // _MOST_SCORES), len(labels) // ENOUGH)
    logits, labels = logits[::step].astype(np.float64), labels[::step]
    low, high = 1 / MOST, 1 / LEAST
    for _ in range(_STEPS):
        third = (high - low) / 3
        if _loss(logits, labels, low + third) <= _loss(logits, labels, high - third):
            high -= third
        else:
            low += third
    return float(2 / (low + high))


def softmax(logits: np.ndarray, temperature: float, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return the class probabilities of logits, (N, K), in their precision: softmax of the logits over T.

    Args:
        logits: (N, K).
        temperature: T.
        out: where they are written, which may be the logits themselves; None for a new array.
    """
    out = np.empty_like(logits) if out is None else out
    for rows in _blocks(logits):
        shifted = np.exp((logits[rows] - logits[rows].max(axis=1, keepdims=True)) / logits.dtype.type(temperature))
        np.divide(shifted, shifted.sum(axis=1, keepdims=True), out=out[rows])
    return out


def _blocks(scores: np.ndarray) -> Iterator[slice]:
    """Yield the rows of scores, (N, K), in blocks of about `_BLOCK` scores, so that no copies of all are needed."""
    step = max(1, _BLOCK // max(scores.shape[1], 1))
    for begin in range(0, len(scores), step):
        yield slice(begin, begin + step)


def _loss(logits: np.ndarray, labels: np.ndarray, inverse: float) -> float:
    """Return the mean negative log-likelihood, in nats, at the inverse temperature 1 / T."""
    scaled = logits * inverse
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]).mean())


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Return confidence and accuracy in bins of equal width of confidence (Guo et al. 2017, section 2).

    Args:
        probabilities: of each class, (N, K).
        labels: class ids, (N,).
        bins: number of bins.

    Returns:
        `count`, mean `confidence` (the largest probability) and `accuracy` of each bin that is not empty.
    """
    confidence = probabilities.max(axis=1)  # (N,)
    correct = probabilities.argmax(axis=1) == labels  # (N,)
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "count": int((bin_of == b).sum()),
            "confidence": float(confidence[bin_of == b].mean()),
            "accuracy": float(correct[bin_of == b].mean()),
        }
        for b in np.unique(bin_of)
    ]


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error (Guo et al. 2017, eq. 3); arguments as in `reliability`.

    It is the mean distance of confidence and accuracy over the bins, weighted by their counts.
    """
    bins = reliability(probabilities, labels)
    return sum(b["count"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / max(len(labels), 1)
