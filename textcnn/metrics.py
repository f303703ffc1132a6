"""Labels and probabilities to figures, softmax, and temperature scaling.

Temperature scaling: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LEAST, MOST = 0.5, 8.0
ENOUGH = 50  # validation texts: fewer say too little of how sure a model may be
_STEPS = 60


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean F1 of the classes that occur in either."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, predicted, average="macro", zero_division=0))


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-probability (nats) of the true classes; a probability of 0 counts as the least above it."""
    tiny = np.finfo(probabilities.dtype).tiny
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], tiny)).mean())


def evaluate(truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """All figures of one test, ready for JSON.

    Args:
        truth: class ids, (N,).
        probabilities: of each class, (N, K).
        names: of the classes, K.

    Returns:
        `examples`, `accuracy`, `macro_f1`, `log_loss`, `majority` (the accuracy of always naming the
        most frequent class), `classes` (precision, recall, F1 and support of each) and `confusion`
        (rows: true class; columns: predicted).
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = probabilities.argmax(axis=1)
    ids = np.arange(len(names))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=ids, zero_division=0)
    return {
        "examples": len(truth),
        "accuracy": float((predicted == truth).mean()),
        "macro_f1": macro_f1(truth, predicted),
        "log_loss": log_loss(truth, probabilities),
        "majority": float(np.bincount(truth, minlength=len(names)).max() / len(truth)),
        "classes": [
            {
                "name": str(name),
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(names)
        ],
        "confusion": confusion_matrix(truth, predicted, labels=ids).tolist(),
    }


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T that makes softmax(logits / T) most likely.

    The loss is convex in 1 / T, so that a search by thirds finds its least value. T is held to 0.5 to 8: where every
    validation text is right the most likely T would be 0, and the model sure of everything.

    Args:
        logits: of the validation texts, (N, K).
        labels: their class ids, (N,).

    Returns:
        T; 1 for fewer than 50 texts.
    """
    if len(labels) < ENOUGH:
        return 1.0
    logits = logits.astype(np.float64)
    low, high = 1 / MOST, 1 / LEAST
    for _ in range(_STEPS):
        third = (high - low) / 3
        if _loss(logits, labels, low + third) <= _loss(logits, labels, high - third):
            high -= third
        else:
            low += third
    return float(2 / (low + high))


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities of each class from logits (N, K), in their precision: softmax of the logits over T."""
    shifted = np.exp((logits - logits.max(axis=1, keepdims=True)) / logits.dtype.type(temperature))
    out: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return out


def _loss(logits: np.ndarray, labels: np.ndarray, inverse: float) -> float:
    """Mean negative log-likelihood at 1 / T."""
    scaled = logits * inverse
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]).mean())


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Confidence beside accuracy, in bins of equal width (Guo et al. 2017, section 2).

    Args:
        probabilities: (N, K).
        labels: class ids, (N,).
        bins: how many.

    Returns:
        For each bin with texts its `count`, mean `confidence` (the largest probability) and `accuracy`.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "count": int((places == b).sum()),
            "confidence": float(confidence[places == b].mean()),
            "accuracy": float(right[places == b].mean()),
        }
        for b in np.unique(places)
    ]


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The expected calibration error: the mean distance of confidence and accuracy over the bins, by their texts."""
    found = reliability(probabilities, labels)
    return sum(b["count"] * abs(b["confidence"] - b["accuracy"]) for b in found) / max(len(labels), 1)
