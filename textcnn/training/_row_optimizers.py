"""Optimisers of a table of rows that touch only those which a batch used.

A dense optimiser moves or decays every row at every step. Here a row keeps the number of the step
that it was last brought up to, and what the steps since then owe it is settled in one go when it is next used, so
that a step costs what the batch's words cost, whatever the vocabulary's size. The rows are those of the dense
optimiser up to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from textcnn import kernels
from textcnn.nn import functions

EPSILON = {"adam": 1e-8, "adadelta": 1e-6, "adagrad": 1e-10}  # torch's, and Kim's (2014) for Adadelta


class RowOptimizer:
    """A table and what its optimiser keeps of each row.

    Args:
        table: the rows, (V, D), changed in place.
        learning_rate: of the optimiser.
        skipping: whether a step may leave rows out.

    Attributes:
        steps: how many were taken.
        last: the step that a row was last brought up to, (V,) int64.
        state: the optimiser's numbers, each (V, D).
    """

    names: tuple[str, ...]

    def __init__(self, table: torch.Tensor, learning_rate: float, *, skipping: bool = True) -> None:
        self.table = table
        self.learning_rate = learning_rate
        self.skipping = skipping
        self.steps = 0
        self.last = torch.zeros(len(table), dtype=torch.int64, device=table.device)
        self.state = {name: torch.zeros_like(self.table) for name in self.names}

    @torch.no_grad()
    def settle(self, words: torch.Tensor | None = None) -> None:
        """Bring rows up to the steps so far, before they are read; None is all of them.

        Args:
            words: distinct rows, (U,).
        """

    @torch.no_grad()
    def step(self, words: torch.Tensor, grad: torch.Tensor) -> None:
        """Take a step.

        Args:
            words: distinct rows, (U,), settled.
            grad: their gradient, (U, D); that of all others is zero.
        """
        self.steps += 1
        self._step(words, grad)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that a run needs to go on."""
        return {**self.state, "last": self.last, "steps": torch.tensor([self.steps])}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from what `tensors` gave."""
        for name in self.names:
            self.state[name].copy_(tensors[name])
        self.last.copy_(tensors["last"])
        self.steps = int(tensors["steps"])

    def _step(self, words: torch.Tensor, grad: torch.Tensor) -> None:
        raise NotImplementedError

    def _compiled(self) -> bool:
        """Whether the compiled loops take the table."""
        return functions.usable(self.table)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        """The table, the optimiser's numbers and the rows' steps, as the compiled loops take them."""
        return tuple(tensor.numpy() for tensor in (self.table, *self.state.values(), self.last))


class RowAdagrad(RowOptimizer):
    """Adagrad (Duchi et al. 2011): a row without gradient owes nothing."""

    names = ("sum",)

    def _step(self, words: torch.Tensor, grad: torch.Tensor) -> None:
        total = self.state["sum"]
        sums = total[words].addcmul_(grad, grad)  # (U, D)
        total[words] = sums
        self.table.index_add_(0, words, grad / sums.sqrt_().add_(EPSILON["adagrad"]), alpha=-self.learning_rate)


class RowAdadelta(RowOptimizer):
    """Adadelta (Zeiler 2012, algorithm 1): a row without gradient stays, and both its averages decay by rho a step."""

    names = ("square", "moved")
    rho = 0.95

    def _step(self, words: torch.Tensor, grad: torch.Tensor) -> None:
        rho, epsilon = self.rho, EPSILON["adadelta"]
        if self._compiled():
            constants: dict[str, Any] = {"rate": self.learning_rate, "epsilon": epsilon, "rho": rho}
            constants["threads"] = torch.get_num_threads()
            kernels.step_adadelta(self._arrays(), words.numpy(), _array(grad), steps=self.steps, **constants)
            return
        decay = _power(rho, self.steps - 1 - self.last[words], grad)  # (U,)
        before = self.state["moved"][words] * decay[:, None]  # (U, D)
        square = (self.state["square"][words] * (decay[:, None] * rho)).addcmul_(grad, grad, value=1 - rho)
        delta = (before + epsilon).sqrt_().div_((square + epsilon).sqrt_()).mul_(grad)
        self.state["square"][words] = square
        self.state["moved"][words] = before.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        self.table.index_add_(0, words, delta, alpha=-self.learning_rate)
        self.last[words] = self.steps


class RowAdam(RowOptimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): a row without gradient goes on moving by its decaying moments.

    After step t, its moments m and v settled, a row moves in step s > t by

        a_s r^(s - t) m / (sqrt(v) + epsilon_s)
        with a_s = learning rate sqrt(1 - beta2^s) / (1 - beta1^s) and r = beta1 / sqrt(beta2),

    and what several steps owe it is m / (sqrt(v) + epsilon_(t + 1)) times the sum of their a_s r^(s - t), a number for
    each t. Deviation: epsilon_s, which in dense Adam grows by 1 / sqrt(beta2) a step, stays as at the first of
    them; it matters to gradients of about epsilon, 1e-8, alone.
    """

    names = ("first", "second")
    beta1, beta2 = 0.9, 0.999
    # r^350 is 1e-16: later steps owe nothing that a number holds.
    horizon = 350

    def __init__(self, table: torch.Tensor, learning_rate: float, *, skipping: bool = True) -> None:
        super().__init__(table, learning_rate, skipping=skipping)
        self._owed = np.zeros(1)  # by the steps so far, to a row last settled at step t, (steps + 1,)
        self._powers = (self.beta1 / self.beta2**0.5) ** np.arange(self.horizon, 0, -1)

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from what `tensors` gave."""
        super().load(tensors)
        self._owed = np.zeros(1)
        for step in range(1, self.steps + 1):
            self._owe(step)

    def settle(self, words: torch.Tensor | None = None) -> None:
        """Bring rows up to the steps so far, before they are read; None is all of them."""
        if words is None:
            words = ((self.last > 0) & (self.last < self.steps)).nonzero()[:, 0]  # the others have no moments
        if self._compiled():
            kernels.settle_adam(self._arrays(), words.numpy(), self._owed, steps=self.steps, **self._constants)
            return
        last = self.last[words]  # (U,)
        first, second = self.state["first"], self.state["second"]
        m, v = first[words], second[words]  # (U, D)
        owed = torch.from_numpy(self._owed).to(last.device)[last].to(m.dtype)[:, None]  # (U, 1)
        epsilon = EPSILON["adam"] * ((1 - self.beta2 ** (last + 1).double()) / self.beta2).sqrt().to(m.dtype)
        self.table.index_add_(0, words, -owed * m / (v.sqrt() + epsilon[:, None]))
        missed = self.steps - last
        first[words] = m * _power(self.beta1, missed, m)[:, None]
        second[words] = v * _power(self.beta2, missed, v)[:, None]
        self.last[words] = self.steps

    def _step(self, words: torch.Tensor, grad: torch.Tensor) -> None:
        self._owe(self.steps)
        correct1, correct2 = 1 - self.beta1**self.steps, 1 - self.beta2**self.steps
        rate = self.learning_rate * correct2**0.5 / correct1
        epsilon = EPSILON["adam"] * correct2**0.5
        if self._compiled():
            constants = {**self._constants, "epsilon": epsilon, "rate": rate}
            kernels.step_adam(self._arrays(), words.numpy(), _array(grad), steps=self.steps, **constants)
            return
        first, second = self.state["first"], self.state["second"]
        m = first[words].lerp_(grad, 1 - self.beta1)  # (U, D)
        v = second[words].mul_(self.beta2).addcmul_(grad, grad, value=1 - self.beta2)
        first[words], second[words] = m, v
        self.table.index_add_(0, words, m / v.sqrt().add_(epsilon), alpha=-rate)
        self.last[words] = self.steps

    @property
    def _constants(self) -> dict[str, Any]:
        return {
            "betas": (self.beta1, self.beta2),
            "epsilon": EPSILON["adam"],
            "threads": torch.get_num_threads(),
        }

    def _owe(self, step: int) -> None:
        """Add what this step owes to the rows last settled at each step before it."""
        if not self.skipping:
            return
        size = self.learning_rate * (1 - self.beta2**step) ** 0.5 / (1 - self.beta1**step)
        if step >= len(self._owed):
            self._owed = np.concatenate([self._owed, np.zeros(len(self._owed))])
        begin = max(0, step - self.horizon)
        self._owed[begin:step] += size * self._powers[len(self._powers) - (step - begin) :]


def _array(grad: torch.Tensor) -> np.ndarray:
    return grad.contiguous().numpy()


def _power(base: float, exponents: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Base to the power of each number of steps, in double precision first."""
    return torch.pow(torch.tensor(base, dtype=torch.float64, device=exponents.device), exponents).to(like.dtype)


ROW_OPTIMIZERS: dict[str, type[RowOptimizer]] = {"adam": RowAdam, "adadelta": RowAdadelta, "adagrad": RowAdagrad}
