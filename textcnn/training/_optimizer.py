"""The optimiser of a whole network, with L2 penalties by layer, and the norm bound on the softmax weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from textcnn.nn.base import TextNetwork
from textcnn.settings.training import LAYERS, TrainingConfig
from textcnn.training._row_optimizers import ROW_OPTIMIZERS, RowOptimizer


@dataclass(frozen=True)
class _Part:
    """A parameter with its optimiser and the weight of its L2 penalty."""

    parameter: nn.Parameter
    optimizer: RowOptimizer
    penalty: float


class Optimizer:
    """Adam, Adadelta or Adagrad (`textcnn.training._row_optimizers`) for every parameter of a network.

    In the tables (tuned vectors of words and of character n-grams, weights of n-grams) the gradient is sparse, and a
    step touches the batch's rows alone, unless an L2 penalty changes every row at every step. Torch's own optimisers
    update all rows at every step, and importing them takes seconds.

    Args:
        model: the network, on its device.
        config: the optimiser, its learning rate, and the L2 penalty of each layer, whose gradient is added to that of
            the loss.
    """

    def __init__(self, model: TextNetwork, config: TrainingConfig) -> None:
        weights = config.l2 if isinstance(config.l2, tuple) else (config.l2,) * len(LAYERS)
        penalties = dict(zip(LAYERS, weights, strict=True))
        tables = {
            "channels.tuned": model.channels,
            "channels.subwords.weight": model.channels.subwords,
            "ngrams.weight": model.ngrams,
        }
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        for name, table in tables.items():
            if table is not None:
                table.sparse = name in trained and not penalties[layer_of(name)]
        self.parts: dict[str, _Part] = {}
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            optimizer = ROW_OPTIMIZERS[config.optimizer](
                parameter.detach().view(len(parameter), math.prod(parameter.shape[1:])),
                config.rate,
                skipping=name in tables and tables[name].sparse,  # type: ignore[union-attr]
            )
            self.parts[name] = _Part(parameter, optimizer, penalties[layer_of(name)])

    def set_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next steps."""
        for part in self.parts.values():
            part.optimizer.learning_rate = learning_rate

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by name."""
        return {name: part.parameter for name, part in self.parts.items()}

    def touched(self, rows: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the rows of the trained tables, of the tables' rows that a batch reads (`TextNetwork.rows`)."""
        return {name: own for name, own in rows.items() if name in self.parts}

    def settle(self, touched: Mapping[str, torch.Tensor]) -> None:
        """Settle the rows that are about to be read or updated (see `textcnn.training._row_optimizers`)."""
        for name, rows in touched.items():
            if self.parts[name].optimizer.skipping:
                self.parts[name].optimizer.settle(rows)

    def settle_all(self) -> None:
        """Settle all rows of the tables."""
        for part in self.parts.values():
            if part.optimizer.skipping:
                part.optimizer.settle()

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by their gradients, and clear these."""
        for part in self.parts.values():
            grad, part.parameter.grad = part.parameter.grad, None
            if grad is None:
                continue
            if grad.is_sparse:
                part.optimizer.step(grad._indices()[0], grad._values())
                continue
            if part.penalty:
                grad = grad.add(part.parameter, alpha=part.penalty)
            part.optimizer.step(torch.arange(len(grad), device=grad.device), grad.reshape(len(grad), -1))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the state that a run needs to resume, by parameter and name."""
        return {f"{name}/{key}": x for name, part in self.parts.items() for key, x in part.optimizer.tensors().items()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Restore the state that `tensors` returned."""
        for name, part in self.parts.items():
            own = {key.rpartition("/")[2]: x for key, x in tensors.items() if key.rpartition("/")[0] == name}
            part.optimizer.load(own)


def layer_of(name: str) -> str:
    """Return which of `LAYERS` a parameter belongs to; the bag of n-grams belongs to the softmax layer."""
    embeddings, convolution, softmax = LAYERS
    if name.startswith("channels."):
        return embeddings
    return softmax if name.startswith(("softmax.", "ngrams.")) else convolution


def freeze(model: TextNetwork, layers: tuple[str, ...]) -> None:
    """Keep layers (of `FREEZABLE`) unchanged in training, and train the others."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(layer_of(name) not in layers)


@torch.no_grad()
def constrain_norm(weight: torch.Tensor, bound: float) -> None:
    """Scale the rows of `weight` (K, F) whose L2 norm exceeds `bound` back to it (Kim 2014, section 2.1)."""
    norms = weight.norm(dim=1, keepdim=True)  # (K, 1)
    weight.mul_((bound / norms.clamp(min=bound)).to(weight.dtype))
