"""The optimiser of all of a network's parameters, the L2 penalty by layer, and the bound on the softmax weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from textcnn.nn.base import TextNetwork
from textcnn.settings.config import LAYERS, TrainingConfig
from textcnn.training._row_optimizers import ROW_OPTIMIZERS, RowOptimizer


@dataclass(frozen=True)
class _Part:
    """A parameter with its optimiser and the weight of its L2 penalty."""

    parameter: nn.Parameter
    rows: RowOptimizer
    penalty: float


class Optimizer:
    """Adam, Adadelta or Adagrad (`textcnn.training._row_optimizers`) for every parameter of a network.

    Of the tables (tuned word rows, the n-grams' weights) a step touches the rows of the batch alone, and the gradient
    is sparse; an L2 penalty moves every row at every step, which is then done. Not torch's optimisers: those
    take all rows at every step, and importing them costs seconds.

    Args:
        model: the network, on its device.
        config: which optimiser, the step size, and the L2 penalty of each layer, whose gradient is added to the loss's.
    """

    def __init__(self, model: TextNetwork, config: TrainingConfig) -> None:
        weights = config.l2 if isinstance(config.l2, tuple) else (config.l2,) * len(LAYERS)
        penalties = dict(zip(LAYERS, weights, strict=True))
        tuned, bag = model.channels.tuned, model.ngrams
        model.channels.sparse = tuned is not None and tuned.requires_grad and not penalties["embeddings"]
        if bag is not None:
            bag.sparse = not penalties[layer_of("ngrams.weight")]
        self.parts: dict[str, _Part] = {}
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            rows = ROW_OPTIMIZERS[config.optimizer](
                parameter.detach().view(len(parameter), -1), config.rate, skipping=self._is_sparse(model, name)
            )
            self.parts[name] = _Part(parameter, rows, penalties[layer_of(name)])

    @staticmethod
    def _is_sparse(model: TextNetwork, name: str) -> bool:
        """Whether a parameter is a table whose gradient is sparse."""
        if name == "ngrams.weight":
            return model.ngrams is not None and model.ngrams.sparse
        return name == "channels.tuned" and model.channels.sparse

    def settle(self, words: torch.Tensor, ngrams: torch.Tensor | None) -> None:
        """Bring rows of the tables up to the steps so far, before they are read.

        Args:
            words: of the batch, (U,).
            ngrams: of the batch, (U',); None where there is no bag.
        """
        for name, rows in (("channels.tuned", words), ("ngrams.weight", ngrams)):
            part = self.parts.get(name)
            if part is not None and part.rows.skipping and rows is not None:
                part.rows.settle(rows)

    def settle_all(self) -> None:
        """The same for all rows."""
        for part in self.parts.values():
            if part.rows.skipping:
                part.rows.settle()

    @torch.no_grad()
    def step(self) -> None:
        """Take a step with the gradients that the parameters have, and clear them."""
        for part in self.parts.values():
            grad, part.parameter.grad = part.parameter.grad, None
            if grad is None:
                continue
            if grad.is_sparse:
                part.rows.step(grad._indices()[0], grad._values())
                continue
            if part.penalty:
                grad = grad.add(part.parameter, alpha=part.penalty)
            part.rows.step(torch.arange(len(grad), device=grad.device), grad.reshape(len(grad), -1))

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that a run needs to go on."""
        return {f"{name}/{key}": x for name, part in self.parts.items() for key, x in part.rows.tensors().items()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from what `tensors` gave."""
        for name, part in self.parts.items():
            own = {key.rpartition("/")[2]: x for key, x in tensors.items() if key.rpartition("/")[0] == name}
            part.rows.load(own)


def layer_of(name: str) -> str:
    """Return which of `LAYERS` a parameter belongs to; the bag's weights count as the softmax's."""
    embeddings, convolution, softmax = LAYERS
    if name.startswith("channels."):
        return embeddings
    return softmax if name.startswith(("softmax.", "ngrams.")) else convolution


def freeze(model: TextNetwork, layers: tuple[str, ...]) -> None:
    """Leave layers (`FREEZABLE`) as they are in training."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(layer_of(name) not in layers)


@torch.no_grad()
def constrain_norm(weight: torch.Tensor, bound: float) -> None:
    """Scale the rows of `weight` (K, F) whose L2 norm exceeds `bound` back to it (Kim 2014, section 2.1)."""
    norms = weight.norm(dim=1, keepdim=True)  # (K, 1)
    weight.mul_((bound / norms.clamp(min=bound)).to(weight.dtype))
