"""Early stopping: keep the weights of the best epoch, and end training when no better one follows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn


class EarlyStopping:
    """The weights of the best epoch so far by a validation score; of equal scores the smaller loss is better.

    A few validation texts give many epochs the same accuracy, of which the first are hardly trained.

    Args:
        monitor: the score, `accuracy`, `macro_f1` or `loss`.
        patience: epochs without a better score before training ends.

    Attributes:
        score: the best score so far; larger is better, so a loss is negated.
        loss: of the best epoch.
        epoch: the best epoch, from 1; 0 before the first.
        state: the weights of the best epoch.
        share: of the linear model in its logits, (1,), or for each of several labels, (K,) float32.
        probabilities: of the validation texts after it, (N, K).
    """

    def __init__(self, monitor: str, patience: int) -> None:
        self.monitor = monitor
        self.patience = patience
        self.score, self.loss = -math.inf, math.inf
        self.epoch = 0
        self.state: dict[str, torch.Tensor] = {}
        self.share = np.zeros(1, np.float32)
        self.probabilities = np.zeros((0, 0), np.float32)

    def update(
        self, epoch: int, scores: Mapping[str, float], model: nn.Module, *, share: np.ndarray, probabilities: np.ndarray
    ) -> bool:
        """Keep the model's weights, and what belongs to them, if the epoch is better than all before.

        Args:
            epoch: its number, from 1.
            scores: `accuracy`, `macro_f1` and `loss` of the validation texts.
            model: whose weights are kept.
            share: of the linear model in its logits, as kept here.
            probabilities: of the validation texts, (N, K).

        Returns:
            Whether it is better.
        """
        loss = scores["loss"]
        score = -loss if self.monitor == "loss" else scores[self.monitor]
        if (score, -loss) <= (self.score, -self.loss):
            return False
        state = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        self.share, self.probabilities, self.score, self.loss = share, probabilities, score, loss
        self.epoch, self.state = epoch, state
        return True

    def should_stop(self, epochs: int) -> bool:
        """Return whether training should end after the given number of epochs."""
        return epochs - self.epoch >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Copy the weights of the best epoch into the model."""
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(self.state[name])
