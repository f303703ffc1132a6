"""Two models on the same labelled texts: their scores, how far chance alone moves the differences, where they differ.

McNemar's exact test: McNemar 1947, Note on the sampling error of the difference between correlated proportions, with
the binomial distribution in place of its approximation. The intervals are Efron's percentile bootstrap over texts; a
resample has the same texts for both models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.errors import ConfigError, listed, quoted
from textcnn.inference.class_ids import as_labels, class_ids
from textcnn.metrics import evaluate, log_of
from textcnn.text.columns import Texts, as_column

if TYPE_CHECKING:
    from textcnn.inference.predictor import Predictor

RESAMPLES = 2000
SCORES = ("accuracy", "macro_f1", "log_loss")


@dataclass(frozen=True)
class Difference:
    """A score of the second model less that of the first.

    Attributes:
        value: of all texts.
        low: lower end of the 95% confidence interval.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two models on N texts.

    Attributes:
        first: figures of the first model (`textcnn.metrics.evaluate`).
        second: figures of the second one.
        differences: by score: `accuracy`, `macro_f1`, and `log_loss` in nats.
        table: texts by whether the first (row) and the second model (column) is right: right, then wrong, (2, 2).
        p_value: of McNemar's exact test, two-sided: how probable so unequal a number of texts that only one model gets
            right would be, were both equally good.
        rows: the texts to which they give different labels, those first whose less sure model is surest.
    """

    first: dict[str, Any]
    second: dict[str, Any]
    differences: dict[str, Difference]
    table: np.ndarray
    p_value: float
    rows: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        (both, only_first), (only_second, neither) = self.table.tolist()
        return {
            "first": self.first,
            "second": self.second,
            "differences": {name: vars(difference) for name, difference in self.differences.items()},
            "right": {"both": both, "first_only": only_first, "second_only": only_second, "neither": neither},
            "p_value": self.p_value,
            "different_labels": len(self.rows),
        }


def compare(first: Predictor, second: Predictor, texts: Texts, labels: Any, *, seed: int = 0) -> Comparison:
    """Compare two models on labelled texts.

    Args:
        first: a model.
        second: one of the same classes, in any order.
        texts: N strings, none missing.
        labels: theirs.
        seed: of the resamples.

    Raises:
        ConfigError: the models have different classes.
        DataError: texts or labels are not what they should be, or a label is none of the classes.
    """
    order = same_classes(first, second)
    column = as_column(texts)
    truth = class_ids(as_labels(labels, len(column)), first.classes_)  # (N,)
    probabilities = [first.predict_proba(column), second.predict_proba(column)[:, order]]  # (N, K) each
    names = [str(label) for label in first.classes_]
    figures = [evaluate(truth, each, names) for each in probabilities]
    predicted = np.stack([each.argmax(axis=1) for each in probabilities])  # (2, N)
    right = predicted == truth
    table = np.array([[(right[0] == a) & (right[1] == b) for b in (True, False)] for a in (True, False)]).sum(axis=2)
    drawn = _resampled(truth, predicted, np.stack([_losses(each, truth) for each in probabilities]), len(names), seed)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    values = [figures[1][name] - figures[0][name] for name in SCORES]
    rows = np.flatnonzero(predicted[0] != predicted[1])
    surety = np.minimum(*(each[rows].max(axis=1) for each in probabilities))
    return Comparison(
        first=figures[0],
        second=figures[1],
        differences=dict(zip(SCORES, map(Difference, values, low.tolist(), high.tolist()), strict=True)),
        table=table,
        p_value=mcnemar(int(table[0, 1]), int(table[1, 0])),
        rows=rows[np.argsort(-surety, kind="stable")],
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test; 1 if no text is right for one model alone."""
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def same_classes(first: Predictor, second: Predictor) -> list[int]:
    """Return where the first model's classes are among the second's; ConfigError unless they are the same."""
    own, other = first.classes_.tolist(), second.classes_.tolist()
    if set(own) != set(other):
        shown = [listed([quoted(label) for label in labels]) for labels in (own, other)]
        raise ConfigError(
            f"expected two models of the same classes, found {shown[0]} and {shown[1]}; train them on the same labels"
        )
    return [other.index(label) for label in own]


def _losses(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return each text's log-loss in nats, (N,)."""
    return -log_of(probabilities[np.arange(len(truth)), truth])


def _resampled(truth: np.ndarray, predicted: np.ndarray, losses: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Return the differences of all scores in each resample, (RESAMPLES, 3)."""
    generator = np.random.default_rng(seed)
    out = np.empty((RESAMPLES, len(SCORES)))
    for each in out:
        rows = generator.integers(len(truth), size=len(truth))
        own = truth[rows]
        (accuracy, f1), (other_accuracy, other_f1) = (_accuracy_and_f1(own, one[rows], classes) for one in predicted)
        loss, other_loss = losses[:, rows].mean(axis=1)
        each[:] = other_accuracy - accuracy, other_f1 - f1, other_loss - loss
    return out


def _accuracy_and_f1(truth: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[float, float]:
    """Return accuracy and macro-F1 as `textcnn.metrics.macro_f1` has it, which is too slow for thousands of calls."""
    right = truth[truth == predicted]
    both = np.bincount(truth, minlength=classes) + np.bincount(predicted, minlength=classes)  # (K,)
    found = both > 0
    f1 = 2 * np.bincount(right, minlength=classes)[found] / both[found]
    return len(right) / len(truth), float(f1.mean())
