"""Labels and probabilities to figures (scikit-learn's)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


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
