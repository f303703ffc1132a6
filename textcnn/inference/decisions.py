"""Probabilities to predictions: the best classes, the labels that reach their thresholds, and where none is given."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcnn.inference.predictor import Predictor, Scores
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS, Target

DIGITS = 6  # of a probability
NOTES = ("", "unknown", "empty")


@dataclass(frozen=True)
class Decisions:
    """What is predicted of texts by their probabilities, (N, K).

    Args:
        classes: the labels, (K,).
        top_k: number of classes to give, best first; all if there are fewer. None is 1, or all labels that reach
            their thresholds.
        min_confidence: predict no label where the best probability is lower; of several labels only such as are at
            least so probable.
        proba: give the probability of every class too.
        target: what a text's labels are.
        thresholds: of the classes, (K,) (`textcnn.targets.Target.decide`), or None.
    """

    classes: Sequence[Any]
    top_k: int | None = None
    min_confidence: float = 0.0
    proba: bool = False
    target: Target = ONE_CLASS
    thresholds: np.ndarray | None = None

    @classmethod
    def of(cls, predictor: Predictor, **options: Any) -> Decisions:
        """Return the decisions of a model with its own thresholds; `options` are other arguments."""
        return cls(
            predictor.classes_.tolist(),
            target=predictor.target,
            thresholds=predictor.artifact.thresholds,
            **options,
        )

    @property
    def several(self) -> bool:
        """Whether a text may have several labels."""
        return self.target is SEVERAL_LABELS

    def ranked(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the ids of the best classes, (N, top_k), the predicted one first; ties go to the smaller id."""
        order = probabilities.astype(np.float64)
        if self.thresholds is not None and not self.several:
            decided = self.target.decide(probabilities, self.thresholds)
            order[np.flatnonzero(decided >= 0), decided[decided >= 0]] += 2.0
        return np.argsort(-order, axis=1, kind="stable")[:, : self.top_k or 1]

    def abstains(self, probabilities: np.ndarray) -> np.ndarray:
        """Return where no class is predicted: the best is not probable enough, or none reaches its threshold, (N,)."""
        best = self.ranked(probabilities)[:, :1]
        abstains: np.ndarray = np.take_along_axis(probabilities, best, axis=1)[:, 0] < self.min_confidence
        if self.thresholds is not None:
            abstains |= self.target.decide(probabilities, self.thresholds) < 0
        return abstains

    def chosen(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the labels of texts that have several: ids, (M,), probabilities, (M,), and offsets, (N + 1,)."""
        if self.top_k is None:
            rows, ids = np.nonzero(self.target.decide(probabilities, self.thresholds))
        else:
            ranked = self.ranked(probabilities)
            rows, ids = np.repeat(np.arange(len(ranked)), ranked.shape[1]), ranked.ravel()
        values = probabilities[rows, ids]
        kept = values >= self.min_confidence
        offsets = np.cumsum([0, *np.bincount(rows[kept], minlength=len(probabilities))], dtype=np.int32)
        return ids[kept], values[kept], offsets

    def objects(self, scores: Scores) -> Iterator[dict[str, Any]]:
        """Yield each text's prediction, ready for JSON.

        Its keys are `prediction` and `probability`, lists where a text may have several labels; `top` with `top_k`
        above 1; `probabilities` with `proba`; and `note` where a text is `empty`, or has no word that the model knows.
        """
        labels = [label.item() if isinstance(label, np.generic) else label for label in self.classes]
        values = rounded(scores.probabilities).tolist()
        choose = self._of_several if self.several else self._of_one
        for out, own, note in zip(choose(scores.probabilities, labels), values, notes(scores).tolist(), strict=True):
            if self.proba:
                out["probabilities"] = {str(label): p for label, p in zip(labels, own, strict=True)}
            if note:
                out["note"] = NOTES[note]
            yield out

    def _of_several(self, probabilities: np.ndarray, labels: Sequence[Any]) -> Iterator[dict[str, Any]]:
        ids, found, offsets = self.chosen(probabilities)
        named, values = [labels[i] for i in ids.tolist()], rounded(found).tolist()
        for begin, end in itertools.pairwise(offsets.tolist()):
            yield {"prediction": named[begin:end], "probability": values[begin:end]}

    def _of_one(self, probabilities: np.ndarray, labels: Sequence[Any]) -> Iterator[dict[str, Any]]:
        values = rounded(probabilities).tolist()
        abstains = self.abstains(probabilities).tolist()
        for best, own, abstain in zip(self.ranked(probabilities).tolist(), values, abstains, strict=True):
            out = {"prediction": None if abstain else labels[best[0]], "probability": own[best[0]]}
            if len(best) > 1 or (self.top_k or 1) > 1:
                out["top"] = [{"label": labels[i], "probability": own[i]} for i in best]
            yield out


def notes(scores: Scores) -> np.ndarray:
    """Return each text's note, as its place in `NOTES`, (N,)."""
    return np.where(scores.known > 0, 0, np.where(scores.tokens > 0, 1, 2))


def rounded(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities as they are written, float64."""
    return np.round(probabilities.astype(np.float64), DIGITS)
