"""Early stopping: the weights of the best epoch are kept, and training ends when none better has come for a while."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn


class EarlyStopping:
    """The weights of the best epoch so far by the monitored validation score; a tie keeps the earlier epoch.

    Args:
        monitor: `accuracy`, `macro_f1` or `loss`.
        patience: epochs without a better score after which training ends.

    Attributes:
        score: the best one, larger is better.
        epoch: its epoch, from 1; 0 before the first.
        state: the weights of that epoch.
    """

    def __init__(self, monitor: str, patience: int) -> None:
        self.monitor = monitor
        self.patience = patience
        self.score = -math.inf
        self.epoch = 0
        self.state: dict[str, torch.Tensor] = {}

    def offer(self, number: int, scores: Mapping[str, float], model: nn.Module) -> bool:
        """Keep this epoch's weights if its score is better than all before."""
        score = -scores["loss"] if self.monitor == "loss" else scores[self.monitor]
        if score <= self.score:
            return False
        state = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        self.score, self.epoch, self.state = score, number, state
        return True

    def is_over(self, epochs: int) -> bool:
        """Return whether training should end after this many epochs."""
        return epochs - self.epoch >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Put the kept weights back into the model."""
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(self.state[name])
