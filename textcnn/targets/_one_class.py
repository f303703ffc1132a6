"""Exactly one class a text: softmax and cross-entropy. Labels are class ids, (N,) int64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn import metrics
from textcnn.targets._target import Target, Temperature

if TYPE_CHECKING:
    import torch


class OneClass(Target):
    """Every text has exactly one of K classes."""

    name = "class"
    headline = ("accuracy", "accuracy")
    shown = (headline, ("macro_f1", "macro-F1"))
    plural = "classes"

    def counts(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return how many texts have each class, (K,)."""
        return np.bincount(labels, minlength=classes)

    def probabilities(
        self, logits: np.ndarray, temperature: Temperature, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the softmax of the logits over the temperature, (N, K)."""
        return metrics.softmax(logits, float(temperature), out=out)

    def logits(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the logarithms: logits but for what a text's logits have in common, (N, K)."""
        return metrics.log_of(probabilities)

    def log_likelihoods(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of each text's class, in nats, (N,)."""
        return metrics.log_of(probabilities[np.arange(len(labels)), labels])

    def decide(self, probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
        """Return the class of each text, (N,): of those that reach their threshold the one that does so by most.

        A class without a threshold (NaN) is predicted where none with one reaches it, and it is the most probable.
        Without thresholds that is the most probable class. Where all classes have thresholds and none is reached, the
        class is -1.
        """
        if thresholds is None or np.isnan(thresholds).all():
            return probabilities.argmax(axis=1)
        free = np.isnan(thresholds)
        with np.errstate(divide="ignore", invalid="ignore"):
            reached = np.where(probabilities >= thresholds, probabilities / thresholds, -1.0)  # (N, K)
        reached[np.isnan(reached)] = 1.0  # a probability and a threshold of 0
        among_free = np.where(free, probabilities, -1.0).argmax(axis=1) if free.any() else -1
        return np.where((reached >= 0).any(axis=1), reached.argmax(axis=1), among_free)

    def right(self, labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return which texts are given their class, (N,)."""
        out: np.ndarray = labels == predicted
        return out

    def margins(self, probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
        """Return the probability of the best class less that of the next best, (N,)."""
        best = np.partition(probabilities, -2, axis=1)[:, -2:]
        out: np.ndarray = best[:, 1] - best[:, 0]
        return out

    def named(self, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return values of `classes`, (N,)."""
        out: np.ndarray = classes[labels]
        return out

    def shown_as(
        self, labels: np.ndarray, names: Sequence[str], *, separator: str = ", ", none: str = "no label"
    ) -> list[str]:
        """Return the name of each text's class."""
        return [names[label] for label in labels.tolist()]

    def relative(self, parts: np.ndarray) -> np.ndarray:
        """Return parts of the logits, (..., K), less their mean over the classes, which softmax ignores."""
        out: np.ndarray = parts - parts.mean(axis=-1, keepdims=True)
        return out

    def monitored(self, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
        """Return log-loss, accuracy and macro-F1."""
        predicted = probabilities.argmax(axis=1)
        return {
            "loss": metrics.log_loss(labels, probabilities),
            "accuracy": float((predicted == labels).mean()),
            "macro_f1": metrics.macro_f1(labels, predicted),
        }

    def evaluate(
        self, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], thresholds: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return all figures (`textcnn.metrics.evaluate`), which know no thresholds."""
        return metrics.evaluate(labels, probabilities, names)

    def doubt(
        self, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], thresholds: np.ndarray | None = None
    ) -> str | None:
        """Return what shows that the model has learned nothing (`textcnn.metrics.doubt`)."""
        return metrics.doubt(labels, probabilities, names)

    def fit_temperature(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """Return the temperature of softmax (`textcnn.metrics.fit_temperature`)."""
        return metrics.fit_temperature(logits, labels)

    def fit_thresholds(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Return None: the most probable class is predicted."""

    def loss_weights(
        self, labels: np.ndarray, by_class: str | Sequence[float] | None, classes: int
    ) -> np.ndarray | None:
        """Return each text's weight by its class, (N,); None if all are 1."""
        if by_class is None:
            return None
        if isinstance(by_class, str):  # balanced
            weights = len(labels) / (classes * np.maximum(self.counts(labels, classes), 1))
        else:
            weights = np.asarray(by_class)
        out: np.ndarray = weights[labels]
        return out

    def as_probabilities(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return 1 at each text's class and 0 elsewhere, (N, K)."""
        out: np.ndarray = np.eye(classes)[labels]
        return out

    def columns(self, probabilities: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the columns; of two classes the second's is enough."""
        two = probabilities.shape[1] == 2
        return probabilities[:, -1 if two else 0 :], two

    def losses(self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the cross-entropy of each text, (B,)."""
        from torch.nn import functional as F

        losses = F.cross_entropy(logits, labels if labels.is_floating_point() else labels.long(), reduction="none")
        # Not the weights of `cross_entropy`: it divides by their sum, so that they cancel in a batch of one class.
        return losses if weights is None else losses * weights
