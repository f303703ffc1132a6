"""Random numbers from a generator of one's own, where torch draws from the one that all threads of a process share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

# What draws numbers and takes a generator: methods of tensors, functions of torch, and those of `nn.init` that a mode
# sees as a whole.
_DRAWING = {
    *("bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_"),
    *("bernoulli", "multinomial", "normal", "rand", "randint", "randn", "randperm"),
    *("kaiming_uniform_",),
}


class DrawingFrom(TorchFunctionMode):
    """A context in which this thread's tensors, and layers of `torch.nn`, are initialised from a generator.

    The numbers are those that torch would draw after `torch.manual_seed` with the generator's seed. What names a
    generator keeps it. `nn.Dropout` takes none: see `Dropout`.

    Args:
        generator: where to draw from, on the CPU.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, with the generator if it draws numbers."""
        keywords = dict(kwargs or {})
        if getattr(func, "__name__", None) in _DRAWING and keywords.get("generator") is None:
            keywords["generator"] = self.generator
        return func(*args, **keywords)


class Dropout(nn.Module):
    """`nn.Dropout` with a generator: in training each value is 0 with probability p, the others are divided by 1 - p.

    Args:
        p: the share of values dropped, below 1.

    Attributes:
        generator: where to draw from, on the values' device; None is torch's own.
        part: where x is a part of a batch: its texts, and how many the batch has. What is kept is drawn for them all.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None
        self.part: tuple[slice, int] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the values that are kept, scaled, and zeros for the others, in the shape of x."""
        if not self.training or not self.p:
            return x
        part, texts = self.part or (slice(None), len(x))
        kept = x.new_empty(texts, *x.shape[1:]).bernoulli_(1 - self.p, generator=self.generator)[part]
        return x * kept.div_(1 - self.p)
