"""One trial: how it is watched while it trains, and what its model costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcnn.inference.artifact import Artifact, save_artifact
from textcnn.inference.predictor import Predictor
from textcnn.training.progress import Epoch, Progress

if TYPE_CHECKING:
    import pyarrow as pa
    from optuna.trial import Trial

_TIMED = 100  # texts


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
        hopeless: returns whether others are clearly better than the score after an epoch.

    Attributes:
        best: the best epoch so far.
        epochs: done so far.
        spent: whether the budget ended the trial.
    """

    def __init__(
        self,
        trial: Trial,
        left: Callable[[], float],
        show: Callable[[], None],
        hopeless: Callable[[int, float], bool],
    ) -> None:
        self.trial, self.left, self.show, self.hopeless = trial, left, show, hopeless
        self.best: Epoch | None = None
        self.epochs = self.most = 0
        self.spent = False

    def begin(self, *, texts: int, epochs: int) -> None:
        """Receive how many epochs there are at most."""
        self.most = epochs

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
        if self.best is None:
            return
        score = score_of(self.best)
        self.trial.report(score, epoch.number)
        if epoch.number < self.most and self.hopeless(epoch.number, score):
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
