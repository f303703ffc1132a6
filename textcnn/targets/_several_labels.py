"""Any number of labels a text: sigmoids and binary cross-entropy. Labels are (N, K) bool.

A text's labels are taken as independent given the text: the probability of its labels is the product of theirs. Its
loss is the sum of K binary cross-entropies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn import metrics
from textcnn.targets._target import Target, Temperature

if TYPE_CHECKING:
    import torch

ENOUGH = (
    10  # validation texts with a label, and without it: fewer are too few for a temperature or threshold of its own
)
_TOO_FEW = 10  # texts: one prediction for all of fewer says nothing
_LEAST_THRESHOLD = 0.01  # a label is never predicted for all texts


class SeveralLabels(Target):
    """Every text has any number of K labels, none of them too."""

    name = "labels"
    headline = ("micro_f1", "micro-F1")
    shown = (headline, ("macro_f1", "macro-F1"), ("accuracy", "all labels right"))
    plural = "labels"

    def counts(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return how many texts have each label, (K,)."""
        return labels.sum(axis=0, dtype=np.int64)

    def probabilities(
        self, logits: np.ndarray, temperature: Temperature, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the sigmoids of the logits over each label's temperature, (N, K)."""
        out = np.divide(logits, -np.asarray(temperature).astype(logits.dtype), out=out)
        with np.errstate(over="ignore"):
            np.exp(out, out=out)
        out += 1
        return np.divide(1, out, out=out)

    def logits(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the log-odds, (N, K)."""
        return metrics.log_of(probabilities) - metrics.log_of(1 - probabilities)

    def log_likelihoods(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of each text's labels, in nats, (N,)."""
        out: np.ndarray = metrics.log_of(np.where(labels, probabilities, 1 - probabilities)).sum(axis=1)
        return out

    def decide(self, probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
        """Return which labels reach their thresholds, by default 0.5, (N, K) bool."""
        out: np.ndarray = probabilities >= (0.5 if thresholds is None else thresholds)
        return out

    def right(self, labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return which texts are given all their labels and no other, (N,)."""
        out: np.ndarray = (labels == predicted).all(axis=1)
        return out

    def margins(self, probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
        """Return the distance of the label that is nearest to its threshold, (N,)."""
        out: np.ndarray = np.abs(probabilities - (0.5 if thresholds is None else thresholds)).min(axis=1)
        return out

    def named(self, labels: np.ndarray, classes: np.ndarray) -> list[list[Any]]:
        """Return the list of each text's labels."""
        names = classes.tolist()
        out: list[list[Any]] = [[] for _ in range(len(labels))]
        for row, label in zip(*(found.tolist() for found in np.nonzero(labels)), strict=True):
            out[row].append(names[label])
        return out

    def shown_as(
        self, labels: np.ndarray, names: Sequence[str], *, separator: str = ", ", none: str = "no label"
    ) -> list[str]:
        """Return each text's labels with the separator between them."""
        return [separator.join(own) or none for own in self.named(labels, np.array(names, object))]

    def relative(self, parts: np.ndarray) -> np.ndarray:
        """Return parts of the logits as they are: a label's log-odds are its own."""
        return parts

    def monitored(self, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
        """Return the loss, the share of texts with all labels right, micro- and macro-F1, at thresholds of 0.5."""
        predicted = self.decide(probabilities)
        micro, macro = f1_scores(labels, predicted)
        return {
            "loss": -float(self.log_likelihoods(labels, probabilities).mean()),
            "accuracy": float(self.right(labels, predicted).mean()),
            "macro_f1": macro,
            "micro_f1": micro,
        }

    def evaluate(
        self, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], thresholds: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return all figures of N texts, ready for JSON.

        Returns:
            `examples`; `accuracy`, the share of texts with all labels right; `micro_f1`, `macro_f1` and `samples_f1` (a
            text without labels that is given none has an F1 of 1, a label that no text has an F1 of 0);
            `average_precision` (the mean over the labels that some texts have, not all); `ranking_loss` (the share of
            pairs of a label that a text has and one that it lacks that are in the wrong order); `log_loss` (nats per
            text); `cardinality` (labels per text); `unlabelled` (texts without labels); and `classes`: of each label,
            precision, recall, F1, support, average precision (None if all or no texts have it) and threshold.
        """
        predicted = self.decide(probabilities, thresholds)
        by_label = metrics.of_counts(*(each.sum(axis=0) for each in (labels & predicted, labels, predicted)))
        micro, macro = f1_scores(labels, predicted)
        average = [average_precision(labels[:, k], probabilities[:, k]) for k in range(len(names))]
        known = [each for each in average if each is not None]
        limits = np.full(len(names), 0.5) if thresholds is None else thresholds
        return {
            "examples": len(labels),
            "accuracy": float(self.right(labels, predicted).mean()),
            "micro_f1": micro,
            "macro_f1": macro,
            "samples_f1": _samples_f1(labels, predicted),
            "average_precision": float(np.mean(known)) if known else None,
            "ranking_loss": _ranking_loss(labels, probabilities),
            "log_loss": -float(self.log_likelihoods(labels, probabilities).mean()),
            "cardinality": float(labels.sum(axis=1).mean()),
            "unlabelled": int((~labels.any(axis=1)).sum()),
            "classes": [
                {**row, "average_precision": average[k], "threshold": float(limits[k])}
                for k, row in enumerate(by_label.rows(names))
            ],
        }

    def doubt(
        self, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], thresholds: np.ndarray | None = None
    ) -> str | None:
        """Return that all of ten texts or more are predicted the same, where their labels differ; else None."""
        predicted = self.decide(probabilities, thresholds)
        if len(labels) < _TOO_FEW or (predicted != predicted[0]).any() or (labels == labels[0]).all():
            return None
        [what] = self.shown_as(predicted[:1], names)
        return f"the model predicts {what} for each of {len(labels):,} texts"

    def fit_temperature(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the temperature of each label, (K,); 1 for a label with too few texts (`ENOUGH`) that have or lack it.

        The loss of a label is that of two classes with the logits 0 and its own (`textcnn.metrics.fit_temperature`).
        """
        out = np.ones(logits.shape[1])
        for k in np.flatnonzero(_enough(labels)).tolist():
            two = np.stack([np.zeros(len(logits)), logits[:, k]], axis=1)
            out[k] = metrics.fit_temperature(two, labels[:, k].astype(np.int64))
        return out

    def fit_thresholds(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the threshold of each label that gives the largest F1, (K,).

        A label with too few texts that have or lack it (`ENOUGH`) takes the one that is best for all labels together.
        """
        common = _best_threshold(labels.ravel(), probabilities.ravel())
        out = np.full(labels.shape[1], common)
        for k in np.flatnonzero(_enough(labels)).tolist():
            out[k] = _best_threshold(labels[:, k], probabilities[:, k])
        return out

    def loss_weights(
        self, labels: np.ndarray, by_class: str | Sequence[float] | None, classes: int
    ) -> np.ndarray | None:
        """Return weights of each text and label, (N, K); None if all are 1.

        `balanced` lets the texts with a label weigh as much as those without, as in an `OneVsRestClassifier` of
        scikit-learn's balanced classifiers; a weight of a label is that of the texts that have it.
        """
        if by_class is None:
            return None
        if not isinstance(by_class, str):
            return np.where(labels, np.asarray(by_class), 1.0)
        having = np.maximum(self.counts(labels, classes), 1)
        lacking = np.maximum(len(labels) - having, 1)
        return np.where(labels, len(labels) / (2 * having), len(labels) / (2 * lacking))

    def initial_bias(self, labels: np.ndarray) -> np.ndarray:
        """Return the log-odds of each label, (K,).

        From 0, steps of the size of the learning rate would take most epochs to get there where labels are rare.
        """
        having = labels.sum(axis=0) + 0.5
        out: np.ndarray = np.log(having / (len(labels) + 1 - having))
        return out

    def as_probabilities(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return the labels as numbers, (N, K)."""
        return labels.astype(np.float64)

    def columns(self, probabilities: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the columns: K yes-or-no questions."""
        return probabilities, True

    def losses(self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the sum of each text's binary cross-entropies, (B,)."""
        from torch.nn import functional as F

        losses = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), weight=weights, reduction="none")
        return losses.sum(dim=1)


def f1_scores(labels: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Return micro- and macro-F1 of labels, (N, K) bool; a label that no text has or is given has an F1 of 0."""
    both, either = (labels & predicted).sum(axis=0), labels.sum(axis=0) + predicted.sum(axis=0)  # (K,), (K,)
    return float(2 * both.sum() / max(either.sum(), 1)), float((2 * both / np.maximum(either, 1)).mean())


def average_precision(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Return the average precision of a yes-or-no question, (N,); None if the answers are all the same.

    It is the sum over the thresholds of the precision there times the recall that is gained.
    """
    if truth.all() or not truth.any():
        return None
    order = np.argsort(-probabilities, kind="stable")
    right, last = np.cumsum(truth[order]), _ends_of_equals(probabilities[order])
    gained = np.diff(right[last], prepend=0)
    return min(float(((right[last] / (last + 1)) * gained).sum() / right[-1]), 1.0)  # rounding can exceed 1


def _ends_of_equals(values: np.ndarray) -> np.ndarray:
    """Return the last index of each run of equal values: a threshold does not divide it."""
    return np.flatnonzero(np.append(values[:-1] != values[1:], True))


def _samples_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean F1 of the texts, each by its own labels, (N, K) bool; without any, had or given, it is 1."""
    both, either = (labels & predicted).sum(axis=1), labels.sum(axis=1) + predicted.sum(axis=1)  # (N,), (N,)
    return float(np.where(either > 0, 2 * both / np.maximum(either, 1), 1.0).mean())


def _ranking_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean share of pairs of a label that a text has and one that it lacks which are in the wrong order.

    Equal probabilities are in the wrong order; a text without such pairs counts as 0.
    """
    losses = np.zeros(len(labels))
    for row in np.flatnonzero(labels.any(axis=1) & ~labels.all(axis=1)).tolist():
        had, lacked = probabilities[row, labels[row]], np.sort(probabilities[row, ~labels[row]])
        losses[row] = 1 - np.searchsorted(lacked, had).mean() / len(lacked)
    return float(losses.mean())


def _enough(labels: np.ndarray) -> np.ndarray:
    """Return which labels have enough texts that have and that lack them, (K,)."""
    having = labels.sum(axis=0)
    out: np.ndarray = (having >= ENOUGH) & (len(labels) - having >= ENOUGH)
    return out


def _best_threshold(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the threshold of the largest F1, midway between two probabilities; 0.5 if no text has the label."""
    order = np.argsort(-probabilities, kind="stable")
    sorted_truth, found = truth[order], probabilities[order].astype(np.float64)
    if not sorted_truth.any():
        return 0.5
    f1 = 2 * np.cumsum(sorted_truth) / (np.arange(1, len(found) + 1) + sorted_truth.sum())
    last = _ends_of_equals(found)
    best = int(last[f1[last].argmax()])
    below = found[best + 1] if best + 1 < len(found) else 0.0
    return float(np.clip((found[best] + below) / 2, _LEAST_THRESHOLD, 1.0))
