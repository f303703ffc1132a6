"""What training tells while it runs."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger("textcnn")


@dataclass(frozen=True)
class Epoch:
    """The figures of one pass over the training texts; losses in nats."""

    number: int
    training_loss: float
    validation_loss: float
    accuracy: float
    macro_f1: float
    seconds: float
    texts_per_second: float
    best: bool
    monitor: str


@dataclass(frozen=True)
class History:
    """A finished run: its epochs, which of them the weights are from, and why it ended."""

    epochs: tuple[Epoch, ...]
    best_epoch: int
    interrupted: bool

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dataclasses.asdict(self)


class Progress:
    """Is told how training goes; this one logs. The command line has one that draws."""

    def stage(self, name: str, fraction: float) -> None:
        """A step before training, such as reading vectors, is done to `fraction` (0 to 1)."""

    def begin(self, *, texts: int, epochs: int) -> None:
        """Training begins: so many texts an epoch, so many epochs at most."""

    def batch(self, *, epoch: int, texts: int, loss: float) -> None:
        """A step is done: `texts` of the epoch so far, `loss` their mean."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is done."""
        logger.info("%s", describe_epoch(epoch))

    def end(self, history: History) -> None:
        """Training has ended."""


def describe_score(epoch: Epoch) -> str:
    """The validation score: macro-F1 where it chooses the epoch, else accuracy."""
    if epoch.monitor == "macro_f1":
        return f"macro-F1 {epoch.macro_f1:.4f}"
    return f"accuracy {epoch.accuracy:.4f}"


def describe_epoch(epoch: Epoch) -> str:
    """One line for a log, within 80 columns."""
    return (
        f"epoch {epoch.number:>2}  loss {epoch.training_loss:.4f}  validation: loss {epoch.validation_loss:.4f}"
        f"  {describe_score(epoch)}  {epoch.texts_per_second:,.0f}/s{'  best' if epoch.best else ''}"
    )
