"""The progress and history of a training run."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger("textcnn")


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch; losses in nats per text.

    Attributes:
        number: from 1.
        training_loss: mean loss of the training texts, each before the step that trains on it.
        validation_loss: mean loss of the validation texts after the epoch.
        accuracy: of the validation texts: the share with the right class, or all labels right.
        macro_f1: of the validation texts.
        seconds: spent on training, without validation.
        texts_per_second: training speed.
        best: whether it is the best epoch so far.
        monitor: the score that chooses the best epoch.
        micro_f1: of the validation texts where these have several labels, at thresholds of 0.5; else None.
    """

    number: int
    training_loss: float
    validation_loss: float
    accuracy: float
    macro_f1: float
    seconds: float
    texts_per_second: float
    best: bool
    monitor: str
    micro_f1: float | None = None


@dataclass(frozen=True)
class History:
    """A finished run.

    Attributes:
        epochs: figures of all epochs.
        best_epoch: the epoch that the weights are from, from 1.
        interrupted: whether Ctrl-C ended the run.
        linear_share: how much of the logits is the linear model of n-grams', solved by itself; the rest is the
            network's.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    interrupted: bool
    linear_share: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> History:
        """Return the run that `to_json` gave."""
        return cls(**{**saved, "epochs": tuple(Epoch(**epoch) for epoch in saved["epochs"])})


class Progress:
    """Receives the progress of training; this class logs each epoch, subclasses show more."""

    def stage(self, name: str, fraction: float | None) -> None:
        """Receive the state of a stage before or after training, such as reading vectors.

        Args:
            name: of the stage.
            fraction: done so far, 0 to 1; None where that is not known.
        """

    def begin(self, *, texts: int, epochs: int) -> None:
        """Receive the start of training.

        Args:
            texts: training texts per epoch.
            epochs: at most.
        """

    def batch(self, *, epoch: int, texts: int, loss: float) -> None:
        """Receive the state after each batch.

        Args:
            epoch: from 1.
            texts: trained on so far in this epoch.
            loss: their mean loss, in nats.
        """

    def fold_batch(self) -> None:
        """Receive that a network of a fold, beside the one that is kept, has trained on a batch."""

    def epoch(self, epoch: Epoch) -> None:
        """Receive the figures of a finished epoch.

        An exception raised here or in `batch` ends the training and reaches its caller; a KeyboardInterrupt ends it as
        Ctrl-C does, with the best epoch so far.
        """
        logger.info("%s", describe_epoch(epoch))

    def end(self, history: History) -> None:
        """Receive the history at the end of training."""


class FoldProgress(Progress):
    """Receives the progress of a fold's network, of which nothing is shown.

    Args:
        whole: receives how the network that is kept is trained.
    """

    def __init__(self, whole: Progress) -> None:
        self.whole = whole

    def batch(self, *, epoch: int, texts: int, loss: float) -> None:
        """Say that a batch is done."""
        self.whole.fold_batch()


class PrintedProgress(Progress):
    """Prints a line per epoch, and which epoch's weights are kept."""

    def epoch(self, epoch: Epoch) -> None:
        """Print an epoch's figures."""
        print(describe_epoch(epoch), flush=True)  # noqa: T201

    def end(self, history: History) -> None:
        """Print what is kept."""
        print(describe_history(history), flush=True)  # noqa: T201


def describe_history(history: History) -> str:
    """Return which epoch's weights are kept, and whether the linear model is averaged with them."""
    mixed = ", averaged with the linear model of n-grams" if history.linear_share else ""
    return f"best epoch: {history.best_epoch} of {len(history.epochs)}{mixed}"


def describe_score(epoch: Epoch) -> str:
    """Return the validation score in words: macro-F1 where it chooses the epoch, else accuracy or micro-F1."""
    if epoch.micro_f1 is not None and epoch.monitor == "loss":
        return f"micro-F1 {epoch.micro_f1:.4f}"
    if epoch.monitor == "macro_f1":
        return f"macro-F1 {epoch.macro_f1:.4f}"
    return f"accuracy {epoch.accuracy:.4f}"


def describe_epoch(epoch: Epoch) -> str:
    """Return an epoch's figures as one line of at most 80 columns."""
    return (
        f"epoch {epoch.number:>2}  loss {epoch.training_loss:.4f}  validation: loss {epoch.validation_loss:.4f}"
        f"  {describe_score(epoch)}  {epoch.texts_per_second:,.0f}/s{'  best' if epoch.best else ''}"
    )
