"""Optimisers, and the constraint on the softmax weights."""

from __future__ import annotations

import torch
from torch import nn

from textcnn.config import TrainingConfig


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), Adadelta (Zeiler 2012; rho 0.95, epsilon 1e-6) or Adagrad (Duchi et al. 2011)."""
    parameters = list(model.parameters())
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.step_size)
    if config.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, lr=config.step_size, rho=0.95, eps=1e-6)
    return torch.optim.Adagrad(parameters, lr=config.step_size)


@torch.no_grad()
def constrain_norm(weight: torch.Tensor, bound: float) -> None:
    """Scale the rows of `weight` (K, F) whose L2 norm exceeds `bound` back to it (Kim 2014, section 2.1)."""
    norms = weight.norm(dim=1, keepdim=True)  # (K, 1)
    weight.mul_((bound / norms.clamp(min=bound)).to(weight.dtype))
