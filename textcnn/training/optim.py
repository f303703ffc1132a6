"""Optimisers, the L2 penalty by layer, and the constraint on the softmax weights."""

from __future__ import annotations

import torch
from torch import nn

from textcnn.config import LAYERS, TrainingConfig
from textcnn.nn.network import Network
from textcnn.training.rows import ROWS, Rows

TABLE = "channels.tuned"


def make_optimizer(model: Network, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), Adadelta (Zeiler 2012; rho 0.95, epsilon 1e-6) or Adagrad (Duchi et al. 2011).

    Each layer has its own weight of the L2 penalty, whose gradient is added to the loss's. A table that `make_rows`
    takes is left to it.
    """
    weights = config.l2 if isinstance(config.l2, tuple) else (config.l2,) * len(LAYERS)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name == TABLE and model.channels.sparse:
            continue
        layer = 0 if name.startswith("channels.") else 2 if name.startswith("softmax.") else 1
        groups.setdefault(weights[layer], []).append(parameter)
    parameters = [{"params": layer, "weight_decay": weight} for weight, layer in groups.items()]
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.step_size, fused=True)
    if config.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, lr=config.step_size, rho=0.95, eps=1e-6)
    return torch.optim.Adagrad(parameters, lr=config.step_size)


def make_rows(model: Network, config: TrainingConfig) -> Rows | None:
    """The row-sparse form of the optimiser for the table of tuned word rows, whose gradient becomes sparse.

    None if there is none, or if the L2 penalty moves each of its rows at every step anyway.
    """
    penalty = config.l2[0] if isinstance(config.l2, tuple) else config.l2
    model.channels.sparse = model.channels.tuned is not None and not penalty
    if model.channels.tuned is None or penalty:
        return None
    return ROWS[config.optimizer](model.channels.tuned, config.step_size)


@torch.no_grad()
def constrain_norm(weight: torch.Tensor, bound: float) -> None:
    """Scale the rows of `weight` (K, F) whose L2 norm exceeds `bound` back to it (Kim 2014, section 2.1)."""
    norms = weight.norm(dim=1, keepdim=True)  # (K, 1)
    weight.mul_((bound / norms.clamp(min=bound)).to(weight.dtype))
