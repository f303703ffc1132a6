"""One trial: what is known of it when it has ended, and how it is watched while it trains."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcnn.inference.artifact import Artifact, save_artifact
from textcnn.inference.predictor import Predictor
from textcnn.training.progress import Epoch, Progress

if TYPE_CHECKING:
    import pyarrow as pa
    from optuna.trial import FrozenTrial, Trial

FINISHED, HOPELESS, OUT_OF_TIME, INTERRUPTED, FAILED = (
    "finished",
    "stopped early",
    "out of time",
    "interrupted",
    "failed",
)
ENDED = "ended"  # of a trial's attributes: what is known of it
_TIMED = 100  # texts


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """A trial that has ended.

    Attributes:
        number: from 1.
        keywords: the settings that were searched, as flat keywords.
        monitor: the validation score that is compared.
        score: of the best epoch; larger is better, so a loss is negated. None before the first epoch.
        loss: of the validation texts at the best epoch, in nats.
        epochs: trained.
        seconds: that the trial took.
        outcome: `finished`, `stopped early` (its score was hopeless), `out of time`, `interrupted` or `failed`.
        megabytes: size of the saved model, in millions of bytes; None if it was not kept.
        microseconds: median time to predict one text; None if it was not kept.
        defaults: whether all settings are at their defaults.
    """

    number: int
    keywords: Mapping[str, Any]
    monitor: str = ""
    score: float | None = None
    loss: float = 0.0
    epochs: int = 0
    seconds: float = 0.0
    outcome: str = FAILED
    megabytes: float | None = None
    microseconds: float | None = None
    defaults: bool = False

    @classmethod
    def of(cls, trial: FrozenTrial, keywords: Mapping[str, Any]) -> TrialResult:
        """Return what a study keeps of a trial."""
        kept = trial.user_attrs
        return cls(number=trial.number + 1, keywords=keywords, defaults=bool(kept.get("defaults")), **kept[ENDED])

    @property
    def words(self) -> str:
        """The score in words, such as `accuracy 0.7812`."""
        if self.score is None:
            return "no score"
        name = {"macro_f1": "macro-F1"}.get(self.monitor, self.monitor)
        return f"{name} {abs(self.score):.4f}"


@dataclass(frozen=True)
class Limits:
    """What a model may cost, in millions of bytes on disk and in microseconds for a text; None for any."""

    megabytes: float | None = None
    microseconds: float | None = None

    def excess(self, trial: TrialResult) -> dict[str, float]:
        """Return by how much a trial's model is over each limit; negative below it."""
        pairs = (
            ("MB", trial.megabytes, self.megabytes),
            ("µs", trial.microseconds, self.microseconds),
        )
        return {unit: found - most for unit, found, most in pairs if found is not None and most is not None}

    def broken_by(self, trial: TrialResult) -> list[str]:
        """Return what of a trial's model is over a limit, in words, such as `8.1 MB`."""
        found = {"MB": trial.megabytes, "µs": trial.microseconds}
        return [f"{found[unit]:,.1f} {unit}" for unit, excess in self.excess(trial).items() if excess > 0]


def best_of(trials: list[TrialResult], limits: Limits) -> TrialResult | None:
    """Return the best trial whose model is kept and within the limits: of equal scores that of the smaller loss."""
    kept = [
        trial
        for trial in trials
        if trial.outcome in (FINISHED, OUT_OF_TIME, INTERRUPTED) and not limits.broken_by(trial)
    ]
    scored = [trial for trial in kept if trial.score is not None]
    return max(scored, key=lambda trial: (trial.score, -trial.loss, -trial.number), default=None)


def cost_of(artifact: Artifact, texts: pa.ChunkedArray) -> tuple[float, float]:
    """Return what a model costs.

    Args:
        artifact: the model.
        texts: to predict one by one.

    Returns:
        The size of its folder in millions of bytes, without pages; and the median of the microseconds to predict a
        text whose words it has met before.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        save_artifact(artifact, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
    predictor = Predictor(artifact)
    few = texts[:_TIMED].to_pylist()
    for text in few:
        predictor.predict([text])
    seconds = []
    for text in few:
        begin = time.perf_counter()
        predictor.predict([text])
        seconds.append(time.perf_counter() - begin)
    return size / 1e6, statistics.median(seconds) * 1e6


class Hopeless(Exception):  # noqa: N818 (an outcome, not an error)
    """Ends a trial that other trials were clearly better than after as many epochs."""


class BudgetSpent(KeyboardInterrupt):
    """Ends a trial at the end of the budget, with the best epoch so far."""


class Watch(Progress):
    """Watches a trial's training: between two batches the time, after an epoch the score.

    Args:
        trial: whose scores are kept after each epoch.
        left: returns the seconds that are left.
        show: is called often.
        prune: whether the trial may be hopeless.

    Attributes:
        best: the best epoch so far.
        epochs: done so far.
        spent: whether the budget ended the trial.
    """

    def __init__(self, trial: Trial, left: Callable[[], float], show: Callable[[], None], *, prune: bool) -> None:
        self.trial, self.left, self.show, self.prune = trial, left, show, prune
        self.best: Epoch | None = None
        self.epochs = 0
        self.spent = False

    def stage(self, name: str, fraction: float | None) -> None:
        """Look at the time."""
        self.fold_batch()

    def batch(self, *, epoch: int, texts: int, loss: float) -> None:
        """Look at the time."""
        self.fold_batch()

    def fold_batch(self) -> None:
        """Raise BudgetSpent if no time is left."""
        self.show()
        if not self.spent and self.left() <= 0:
            self.spent = True
            raise BudgetSpent

    def epoch(self, epoch: Epoch) -> None:
        """Keep the score, and raise Hopeless if others are clearly better."""
        self.epochs = epoch.number
        if epoch.best:
            self.best = epoch
        if self.best is not None:
            self.trial.report(score_of(self.best), epoch.number)
        if self.prune and self.trial.should_prune():
            raise Hopeless

    def ended(self, outcome: str) -> dict[str, Any]:
        """Return what is known of the trial, keywords of `TrialResult`."""
        found: dict[str, Any] = {"outcome": outcome, "epochs": self.epochs}
        if self.best is not None:
            found |= {"monitor": self.best.monitor, "score": score_of(self.best), "loss": self.best.validation_loss}
        return found


def score_of(epoch: Epoch) -> float:
    """Return the score that chooses the epoch; larger is better."""
    return -epoch.validation_loss if epoch.monitor == "loss" else float(getattr(epoch, epoch.monitor))
