"""Optimisers of a table that update only the rows used by a batch.

A dense optimiser changes every row at every step, if only by decaying its state. Here a row is left alone until a batch
uses it again. Then it is settled: it catches up on the steps it missed, all in one update. So a step costs as much as
the batch has rows, whatever the size of the table. The results equal those of the dense optimiser up to rounding; the
deviation of Adam is named there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from textcnn import kernels
from textcnn.nn import functions

EPSILON = {"adam": 1e-8, "adadelta": 1e-6, "adagrad": 1e-10}  # torch's defaults, for Adadelta that of Kim's code


class RowOptimizer:
    """A table with the state of its optimiser.

    Args:
        table: the rows, (V, D), updated in place.
        learning_rate: of the next step.
        skipping: whether steps may skip rows.

    Attributes:
        names: names of the state's tensors.
        steps: number of steps taken.
        last: the last step of each row, taken or settled, (V,) int64.
        state: moments or averages by name, each (V, D).
    """

    names: tuple[str, ...]

    def __init__(self, table: torch.Tensor, learning_rate: float, *, skipping: bool = True) -> None:
        self.table = table
        self.learning_rate = learning_rate
        self.skipping = skipping
        self.steps = 0
        self.last = torch.zeros(len(table), dtype=torch.int64, device=table.device)
        self.state = {name: _zeros_like(table) for name in self.names}

    @torch.no_grad()
    def settle(self, rows: torch.Tensor | None = None) -> None:
        """Let rows catch up on the steps they missed, before they are read.

        Args:
            rows: distinct indices, (U,); None for all rows.
        """

    @torch.no_grad()
    def step(self, rows: torch.Tensor, grad: torch.Tensor) -> None:
        """Take a step.

        Args:
            rows: distinct indices of settled rows, (U,).
            grad: their gradient, (U, D); that of all other rows is zero.
        """
        self.steps += 1
        self._step(rows, grad)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the state that a run needs to resume, by name, with all rows settled."""
        self.settle()
        return {**self.state, "last": self.last, "steps": torch.tensor([self.steps])}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Restore the state that `tensors` returned."""
        for name in self.names:
            self.state[name].copy_(tensors[name])
        self.last.copy_(tensors["last"])
        self.steps = int(tensors["steps"])

    def _step(self, rows: torch.Tensor, grad: torch.Tensor) -> None:
        raise NotImplementedError

    def _compiled(self) -> bool:
        """Return whether the compiled loops can take the table."""
        return functions.usable(self.table)

    def _arrays(self) -> tuple[np.ndarray, ...]:
        """Return the table, the state and the rows' last steps, in the order of the compiled loops."""
        return tuple(tensor.numpy() for tensor in (self.table, *self.state.values(), self.last))


class RowAdagrad(RowOptimizer):
    """Adagrad (Duchi et al. 2011): a row without gradient does not change, so nothing is settled."""

    names = ("sum",)

    def _step(self, rows: torch.Tensor, grad: torch.Tensor) -> None:
        total = self.state["sum"]
        sums = total[rows].addcmul_(grad, grad)  # (U, D)
        total[rows] = sums
        self.table.index_add_(0, rows, grad / sums.sqrt_().add_(EPSILON["adagrad"]), alpha=-self.learning_rate)


class RowAdadelta(RowOptimizer):
    """Adadelta (Zeiler 2012, algorithm 1): without gradient a row stays and its two averages decay by rho per step.

    The averages are settled by the next step. Deviation: a learning rate, which at 1.0 is the paper's algorithm.
    """

    names = ("square", "moved")
    rho = 0.95

    def _step(self, rows: torch.Tensor, grad: torch.Tensor) -> None:
        rho, epsilon = self.rho, EPSILON["adadelta"]
        if self._compiled():
            constants: dict[str, Any] = {"rate": self.learning_rate, "epsilon": epsilon, "rho": rho}
            constants["threads"] = torch.get_num_threads()
            kernels.step_adadelta(self._arrays(), rows.numpy(), _array(grad), steps=self.steps, **constants)
            return
        decay = _power(rho, self.steps - 1 - self.last[rows], grad)  # (U,)
        before = self.state["moved"][rows] * decay[:, None]  # (U, D)
        square = (self.state["square"][rows] * (decay[:, None] * rho)).addcmul_(grad, grad, value=1 - rho)  # (U, D)
        delta = (before + epsilon).sqrt_().div_((square + epsilon).sqrt_()).mul_(grad)  # (U, D)
        self.state["square"][rows] = square
        self.state["moved"][rows] = before.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        self.table.index_add_(0, rows, delta, alpha=-self.learning_rate)
        self.last[rows] = self.steps


class RowAdam(RowOptimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): without gradient a row keeps moving by its decaying moments.

    With the moments m and v of its last step t, a row moves in each missed step s > t by

        a_s r^(s - t) m / (sqrt(v) + epsilon_s)
        with a_s = learning rate of s sqrt(1 - beta2^s) / (1 - beta1^s) and r = beta1 / sqrt(beta2),

    so settling it subtracts m / (sqrt(v) + epsilon_(t + 1)) times the sum of a_s r^(s - t) over the missed steps, which
    is one number per t.

    Deviation: epsilon_s, which in dense Adam grows by a factor of 1 / sqrt(beta2) per step, is taken from the first
    missed step for all of them. This matters only for gradients of about epsilon, 1e-8.
    """

    names = ("first", "second")
    beta1, beta2 = 0.9, 0.999
    # Steps that a row may miss: r^350 is 1e-16, so later ones add nothing in double precision.
    horizon = 350

    def __init__(self, table: torch.Tensor, learning_rate: float, *, skipping: bool = True) -> None:
        super().__init__(table, learning_rate, skipping=skipping)
        # Entry t: the sum of a_s r^(s - t) over the steps s > t that a row may miss, (steps + 1 or more,).
        self._missed_sums = np.zeros(1)
        self._powers = (self.beta1 / self.beta2**0.5) ** np.arange(self.horizon, 0, -1)

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Restore the state that `tensors` returned."""
        super().load(tensors)
        self._missed_sums = np.zeros(self.steps + 1)  # a saved state is settled: what its rows miss is yet to come

    def settle(self, rows: torch.Tensor | None = None) -> None:
        """Let rows catch up on the steps they missed, before they are read; None is all rows."""
        if rows is None:
            rows = ((self.last > 0) & (self.last < self.steps)).nonzero()[:, 0]  # others: no moments, or settled
        if self._compiled():
            kernels.settle_adam(self._arrays(), rows.numpy(), self._missed_sums, steps=self.steps, **self._constants)
            return
        last = self.last[rows]  # (U,)
        first, second = self.state["first"], self.state["second"]
        m, v = first[rows], second[rows]  # (U, D)
        sums = torch.from_numpy(self._missed_sums).to(last.device)[last].to(m.dtype)[:, None]  # (U, 1)
        epsilon = EPSILON["adam"] * ((1 - self.beta2 ** (last + 1).double()) / self.beta2).sqrt().to(m.dtype)  # (U,)
        self.table.index_add_(0, rows, -sums * m / (v.sqrt() + epsilon[:, None]))
        missed = self.steps - last  # (U,)
        first[rows] = m * _power(self.beta1, missed, m)[:, None]
        second[rows] = v * _power(self.beta2, missed, v)[:, None]
        self.last[rows] = self.steps

    def _step(self, rows: torch.Tensor, grad: torch.Tensor) -> None:
        self._add_missed(self.steps)
        correction1, correction2 = 1 - self.beta1**self.steps, 1 - self.beta2**self.steps
        rate = self.learning_rate * correction2**0.5 / correction1
        epsilon = EPSILON["adam"] * correction2**0.5
        if self._compiled():
            constants = {**self._constants, "epsilon": epsilon, "rate": rate}
            kernels.step_adam(self._arrays(), rows.numpy(), _array(grad), steps=self.steps, **constants)
            return
        first, second = self.state["first"], self.state["second"]
        m = first[rows].lerp_(grad, 1 - self.beta1)  # (U, D)
        v = second[rows].mul_(self.beta2).addcmul_(grad, grad, value=1 - self.beta2)
        first[rows], second[rows] = m, v
        self.table.index_add_(0, rows, m / v.sqrt().add_(epsilon), alpha=-rate)
        self.last[rows] = self.steps

    @property
    def _constants(self) -> dict[str, Any]:
        return {
            "betas": (self.beta1, self.beta2),
            "epsilon": EPSILON["adam"],
            "threads": torch.get_num_threads(),
        }

    def _add_missed(self, step: int) -> None:
        """Add a step s to the sums of each step t before it: a_s r^(s - t), as if the row missed s."""
        if not self.skipping:
            return
        rate = self.learning_rate * (1 - self.beta2**step) ** 0.5 / (1 - self.beta1**step)
        if step >= len(self._missed_sums):
            self._missed_sums = np.concatenate([self._missed_sums, np.zeros(len(self._missed_sums))])
        begin = max(0, step - self.horizon)
        self._missed_sums[begin:step] += rate * self._powers[len(self._powers) - (step - begin) :]


def _zeros_like(table: torch.Tensor) -> torch.Tensor:
    """Return zeros; on the CPU numpy's, which take no memory until they are first changed."""
    if table.device.type != "cpu":
        return torch.zeros_like(table)
    return torch.from_numpy(np.zeros(table.shape, table.detach().numpy().dtype))


def _array(grad: torch.Tensor) -> np.ndarray:
    """Return a contiguous array."""
    return grad.contiguous().numpy()


def _power(base: float, exponents: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return base ** exponents, computed in double precision, in the dtype of `like`."""
    return torch.pow(torch.tensor(base, dtype=torch.float64, device=exponents.device), exponents).to(like.dtype)


ROW_OPTIMIZERS: dict[str, type[RowOptimizer]] = {"adam": RowAdam, "adadelta": RowAdadelta, "adagrad": RowAdagrad}
