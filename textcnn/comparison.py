"""Two models on the same labelled texts: their scores, how far chance alone moves the differences, where they differ.

McNemar's exact test: McNemar 1947, Note on the sampling error of the difference between correlated proportions, with
the binomial distribution in place of its approximation. The intervals are Efron's percentile bootstrap over texts; a
resample has the same texts for both models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.errors import ConfigError, listed, quoted
from textcnn.targets import f1_scores
from textcnn.text.columns import Texts, as_column

if TYPE_CHECKING:
    from textcnn.inference.predictor import Predictor

RESAMPLES = 2000
SCORES = ("accuracy", "macro_f1", "log_loss", "micro_f1")


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
        first: figures of the first model (`Model.evaluate`).
        second: figures of the second one.
        differences: by score: `accuracy`, `macro_f1`, `log_loss` in nats, and `micro_f1` of several labels.
        table: texts by whether the first (row) and the second model (column) is right, in all labels where there are
            several: right, then wrong, (2, 2).
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
    truth, target = first.label_ids(labels, len(column)), first.target
    limits = [first.artifact.thresholds, second.artifact.thresholds]
    if limits[1] is not None:
        limits[1] = limits[1][order]
    probabilities = [first.predict_proba(column), second.predict_proba(column)[:, order]]  # (N, K) each
    names = [str(label) for label in first.classes_]
    both = list(zip(probabilities, limits, strict=True))
    figures = [target.evaluate(truth, each, names, limit) for each, limit in both]
    predicted = [target.decide(each, limit) for each, limit in both]
    right = np.stack([target.right(truth, each) for each in predicted])  # (2, N)
    table = np.array([[(right[0] == a) & (right[1] == b) for b in (True, False)] for a in (True, False)]).sum(axis=2)
    losses = np.stack([-target.log_likelihoods(truth, each) for each in probabilities])  # (2, N)
    scores = [name for name in SCORES if name in figures[0]]
    drawn = _resampled(truth, predicted, right, losses, len(names), seed)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    values = [figures[1][name] - figures[0][name] for name in scores]
    rows = np.flatnonzero(~target.right(predicted[0], predicted[1]))
    surety = np.minimum(*(target.margins(each[rows], limit) for each, limit in both))
    return Comparison(
        first=figures[0],
        second=figures[1],
        differences=dict(zip(scores, map(Difference, values, low.tolist(), high.tolist()), strict=True)),
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
    if first.target is not second.target:
        raise ConfigError(
            "expected two models of one class a text or of several labels, found one of each; train them on the same "
            "labels"
        )
    if set(own) != set(other):
        shown = [listed([quoted(label) for label in labels]) for labels in (own, other)]
        raise ConfigError(
            f"expected two models of the same classes, found {shown[0]} and {shown[1]}; train them on the same labels"
        )
    return [other.index(label) for label in own]


def _resampled(
    truth: np.ndarray,
    predicted: Sequence[np.ndarray],
    right: np.ndarray,
    losses: np.ndarray,
    classes: int,
    seed: int,
) -> np.ndarray:
    """Return the differences of all scores in each resample, in the order of `SCORES`, (RESAMPLES, 3 or 4).

    Args:
        truth: labels of N texts.
        predicted: by the two models.
        right: whether each model is right, (2, N).
        losses: of each model, (2, N).
        classes: K.
        seed: of the resamples.
    """
    generator = np.random.default_rng(seed)
    out = []
    for _ in range(RESAMPLES):
        rows = generator.integers(len(truth), size=len(truth))
        own = truth[rows]
        accuracy, loss = right[:, rows].mean(axis=1), losses[:, rows].mean(axis=1)
        f1 = np.array([_f1(own, one[rows], classes) for one in predicted])  # (2, 1 or 2)
        scores = np.column_stack([accuracy, f1[:, 0], loss, f1[:, 1:]])  # (2, 3 or 4)
        out.append(scores[1] - scores[0])
    return np.stack(out)


def _f1(truth: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[float, ...]:
    """Return macro-F1, and micro-F1 of several labels, as scikit-learn has them but far faster."""
    if truth.ndim == 2:
        micro, macro = f1_scores(truth, predicted)
        return macro, micro
    right = truth[truth == predicted]
    both = np.bincount(truth, minlength=classes) + np.bincount(predicted, minlength=classes)  # (K,)
    found = both > 0
    return (float((2 * np.bincount(right, minlength=classes)[found] / both[found]).mean()),)
