"""The interface of a target: all that depends on what a text's labels are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

Temperature: TypeAlias = "float | np.ndarray"
"""What logits are divided by: a number, or one for each label, (K,)."""


class Target(ABC):
    """What a text's labels are. A class has one object, also where one comes from a pickle, so that `is` tells targets.

    `labels` below, of N texts and K classes, have the form of the target; so have predictions.

    Attributes:
        name: in a saved model.
        headline: the key of the figure of `evaluate` that comes first, and its name for people.
        shown: the same for those that stand for all in a short summary, the headline first.
        plural: what the K are.
    """

    name: ClassVar[str]
    headline: ClassVar[tuple[str, str]]
    shown: ClassVar[tuple[tuple[str, str], ...]]
    plural: ClassVar[str]
    _object: ClassVar[Target]

    def __new__(cls) -> Target:
        if "_object" not in vars(cls):
            cls._object = super().__new__(cls)
        return cls._object

    @abstractmethod
    def counts(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return how many texts have each label, (K,)."""

    @abstractmethod
    def probabilities(
        self, logits: np.ndarray, temperature: Temperature, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the probabilities of logits, both (N, K), in their precision; in `out`, which may be the logits."""

    @abstractmethod
    def logits(self, probabilities: np.ndarray) -> np.ndarray:
        """Return logits that have these probabilities at temperature 1, (N, K)."""

    @abstractmethod
    def log_likelihoods(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of each text's labels, in nats, (N,)."""

    @abstractmethod
    def decide(self, probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
        """Return the labels predicted by probabilities, (N, K), and by each label's threshold, (K,)."""

    @abstractmethod
    def right(self, labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return which texts are predicted exactly, (N,)."""

    @abstractmethod
    def margins(self, probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
        """Return how far each text's probabilities are from another prediction, (N,); arguments as in `decide`."""

    @abstractmethod
    def named(self, labels: np.ndarray, classes: np.ndarray) -> Any:
        """Return labels by their names, `classes`, (K,): what `predict` returns."""

    @abstractmethod
    def shown_as(
        self, labels: np.ndarray, names: Sequence[str], *, separator: str = ", ", none: str = "no label"
    ) -> list[str]:
        """Return each text's labels in words: several with the separator between them, `none` where there are none."""

    @abstractmethod
    def relative(self, parts: np.ndarray) -> np.ndarray:
        """Return the scores that parts of the logits, (..., K), mean to a person, (..., K)."""

    @abstractmethod
    def monitored(self, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
        """Return the figures that an epoch can be chosen by: `loss` (nats per text), `accuracy` and `macro_f1`."""

    @abstractmethod
    def evaluate(
        self, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], thresholds: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return all figures of N texts, ready for JSON: at least `examples`, `accuracy`, `macro_f1`, `log_loss`."""

    @abstractmethod
    def doubt(
        self, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], thresholds: np.ndarray | None = None
    ) -> str | None:
        """Return what shows that the model has learned nothing, in words; None if nothing does."""

    @abstractmethod
    def fit_temperature(self, logits: np.ndarray, labels: np.ndarray) -> Temperature:
        """Return the temperature that makes the labels of validation texts most likely under their logits, (N, K)."""

    @abstractmethod
    def fit_thresholds(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray | None:
        """Return each label's threshold, (K,), chosen by the probabilities of validation texts; None without such."""

    @abstractmethod
    def loss_weights(self, labels: np.ndarray, by_class: str | Sequence[float] | None, classes: int) -> Any:
        """Return weights of the texts or their labels in the loss, (N,) or (N, K); None if all are 1.

        Args:
            labels: of N texts.
            by_class: None, `balanced` or a weight of each label.
            classes: K.
        """

    def initial_bias(self, labels: np.ndarray) -> np.ndarray | None:
        """Return what the biases of the logits begin at, (K,); None for 0."""
        return None

    @abstractmethod
    def as_probabilities(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return the probabilities, 0 or 1, that labels are, (N, K) float64."""

    @abstractmethod
    def columns(self, probabilities: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return what a linear model learns, and whether its columns are independent yes-or-no questions.

        Args:
            probabilities: that it is to give, (N, K).

        Returns:
            Numbers from 0 to 1, (N, columns): a column for each label, or one that tells two classes apart.
        """

    @abstractmethod
    def losses(self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the loss of each of B texts, in nats, weighted, (B,).

        Args:
            logits: (B, K).
            labels: as a tensor; or the probabilities that the network is to give, (B, K) of floats.
            weights: as from `loss_weights`, (B,), (B, 1) or (B, K); None if all are 1.
        """
