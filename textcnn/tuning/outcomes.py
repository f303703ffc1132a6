"""What is known of the trials of a search, and who is told of them. Nothing here costs time to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FINISHED, HOPELESS, OUT_OF_TIME, INTERRUPTED, FAILED = (
    "finished",
    "stopped early",
    "out of time",
    "interrupted",
    "failed",
)
CUT = (OUT_OF_TIME, INTERRUPTED)  # before the end of training
# Of a trial's attributes: what is known of it, and that it has the defaults.
ENDED, DEFAULTS = "ended", "defaults"


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
        return cls(number=trial.number + 1, keywords=keywords, defaults=bool(kept.get(DEFAULTS)), **kept[ENDED])

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
    kept = [trial for trial in trials if trial.outcome in (FINISHED, *CUT) and not limits.broken_by(trial)]
    scored = [trial for trial in kept if trial.score is not None]
    return max(scored, key=lambda trial: (trial.score, -trial.loss, -trial.number), default=None)


class SearchProgress:
    """Receives the progress of a search; this class shows nothing."""

    def running(self, number: int, share: float, best: TrialResult | None, left: float) -> None:
        """Receive, often, that a trial trains.

        Args:
            number: of the trial, from 1.
            share: of the budget that is spent, 0 to 1.
            best: the best trial so far.
            left: seconds of the budget.
        """

    def ended(self, trial: TrialResult, best: TrialResult | None, left: float) -> None:
        """Receive a trial that has ended; the others as in `running`."""

    def stage(self, name: str) -> None:
        """Receive what is done after the last trial."""
