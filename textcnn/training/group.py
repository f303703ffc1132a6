"""The processes that train a network together: the interface, and a single process as the smallest group."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

Told = TypeVar("Told")


@dataclass(frozen=True)
class Share:
    """A process's part of a batch.

    Attributes:
        part: which of the batch's texts it has.
        texts: how many the whole batch has.
        counts: whether its texts count in the loss. A process that would have none takes the first, which does not.
    """

    part: slice
    texts: int
    counts: bool = True


class TrainingGroup:
    """The processes that train a network together. This class is one process by itself, to which all is its own.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
    """

    rank, size = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this is the first process, which writes the files."""
        return self.rank == 0

    def share(self, texts: int) -> Share | None:
        """Return this process's part of a batch of texts; None if that is all of it."""
        return None

    def choose(self, device: torch.device) -> torch.device:
        """Return the device of this process where all would take the given one."""
        return device

    def union(self, rows: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return the distinct rows of each table, (U,), that any process names."""
        return rows

    def sum_gradients(
        self, parameters: Mapping[str, torch.Tensor], rows: Mapping[str, torch.Tensor], loss: torch.Tensor
    ) -> float:
        """Replace the gradients of parameters by their sums over the processes.

        Args:
            parameters: by name, each with a gradient; of a table it may be sparse.
            rows: of each table those with a gradient in any process, ascending, (U,).
            loss: of this process's texts, 0-dimensional.

        Returns:
            The sum of the losses.

        Raises:
            KeyboardInterrupt: Ctrl-C reached a process within `interruptible`.
        """
        return loss.item()

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of the processes' arrays, all of one shape."""
        return array

    def first(self, value: Told) -> Told:
        """Return the first process's value."""
        return value

    def copy_first(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give tensors, of the same shapes everywhere, the first process's values."""

    def wait(self) -> None:
        """Wait until all processes are here."""

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the training of all processes at the same step."""
        yield

    def is_first_to_fail(self) -> bool:
        """Return whether no other process of this machine failed before: what follows from its end needs no words."""
        return True

    def leave(self) -> None:
        """Part from the other processes."""


ONE_PROCESS = TrainingGroup()


def is_launched() -> bool:
    """Return whether torchrun, or what sets the same environment, started several processes, of which this is one."""
    size = os.environ.get("WORLD_SIZE", "")
    return size.isdigit() and int(size) > 1 and "RANK" in os.environ
