"""Training by several processes, as PyTorch's launcher `torchrun` starts them, on one machine or on several.

Every process has all texts and the whole network, and draws the same random numbers. Of each batch it takes every N-th
text. The gradients are added up, so that all processes take the same step, which is that of one process up to rounding.
Of a table (tuned word vectors, weights of n-grams) only the rows that the batch touched are exchanged: the traffic of a
step grows with its distinct words, not with the vocabulary.

The first process alone writes files. What only it can know (the checkpoint), and what decides how training goes on (the
scores of an epoch), it tells the others.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import distributed

from textcnn.errors import ConfigError, TrainingError, is_of_memory, one_line, shortened
from textcnn.training.group import Share, Told, TrainingGroup


class Processes(TrainingGroup):
    """Several processes, within torch's process group, which `join` makes.

    Args:
        store: what the processes share beside it.
        rank: number of this process, from 0.
        size: how many there are.
    """

    def __init__(self, store: distributed.Store, rank: int, size: int) -> None:
        self.store, self.rank, self.size = store, rank, size
        self._interrupted = False

    def share(self, texts: int) -> Share:
        """Return every N-th text: they are sorted by length, so that all processes have much the same work."""
        if self.rank >= texts:
            return Share(slice(0, 1), texts, counts=False)
        return Share(slice(self.rank, None, self.size), texts)

    def choose(self, device: torch.device) -> torch.device:
        """Return the GPU of the process's number on its machine where that has one for each.

        Raises:
            ConfigError: there are fewer, or one is named.
        """
        if device.type != "cuda":
            return device
        here, found = int(os.environ.get("LOCAL_WORLD_SIZE", self.size)), torch.cuda.device_count()
        if here > found or device.index is not None:
            what = f"{found}" if device.index is None else str(device)
            raise ConfigError(
                f"device: expected a GPU for each of the {here} processes of a machine, found {what}; "
                "start as many processes as there are GPUs, or use --device cpu"
            )
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))
        torch.cuda.set_device(device)
        return device

    def union(self, rows: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return the distinct rows of each table that any process names, ascending, (U,)."""
        if not rows:
            return rows
        own = torch.cat([*rows.values()])
        counts = self._gather(own.new_tensor([len(each) for each in rows.values()])).tolist()  # (N, tables)
        padded = own.new_zeros(max(map(sum, counts)))
        padded[: len(own)] = own
        found = [
            each[: sum(count)].split(count) for each, count in zip(self._gather(padded), counts, strict=True)
        ]  # of each process those of each table
        return {name: torch.cat(parts).unique() for name, *parts in zip(rows, *found, strict=True)}

    def sum_gradients(
        self, parameters: Mapping[str, torch.Tensor], rows: Mapping[str, torch.Tensor], loss: torch.Tensor
    ) -> float:
        """Replace the gradients by their sums over the processes, in one exchange; arguments as in `TrainingGroup`."""
        status = torch.stack([loss.detach(), loss.new_tensor(float(self._interrupted))])
        parts = {
            name: _rows_of(parameter.grad, rows[name]) if name in rows else parameter.grad
            for name, parameter in parameters.items()
            if parameter.grad is not None
        }
        flat = torch.cat([status, *(part.flatten() for part in parts.values())])
        self._add(flat)
        total, interrupted = flat[:2].tolist()
        if interrupted:
            self._interrupted = True  # though the signal may reach this process later, or not at all
            raise KeyboardInterrupt
        sums = flat[2:].split([part.numel() for part in parts.values()])
        for (name, part), summed in zip(parts.items(), sums, strict=True):
            parameter, grad = parameters[name], summed.view(part.shape)
            if name not in rows:
                parameter.grad = grad
            elif parameter.grad.is_sparse:  # type: ignore[union-attr]
                parameter.grad = torch.sparse_coo_tensor(
                    rows[name][None], grad, parameter.shape, check_invariants=False
                )
            else:
                parameter.grad[rows[name]] = grad  # type: ignore[index]
        return float(total)

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of the processes' arrays, all of one shape."""
        out = torch.tensor(array)
        self._add(out)
        return out.numpy()

    def first(self, value: Told) -> Told:
        """Return the first process's value, which is pickled on the way."""
        held = [value if self.leads else None]
        with self._together():
            distributed.broadcast_object_list(held)
        return held[0]  # type: ignore[return-value]

    def copy_first(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give tensors, of the same shapes everywhere, the first process's values."""
        with self._together():
            for tensor in tensors:
                distributed.broadcast(tensor, 0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        self._add(torch.zeros(1))

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the training of all processes at the same step; a second one does not disturb what follows."""

        def remember(number: int, frame: object) -> None:
            self._interrupted = True

        before = signal.signal(signal.SIGINT, remember)
        try:
            yield
        finally:
            if not self._interrupted:
                signal.signal(signal.SIGINT, before)

    def is_first_to_fail(self) -> bool:
        """Return whether no other process of this machine has failed before; False too where that cannot be known."""
        try:
            return bool(self.store.add(f"failed/{os.environ.get('GROUP_RANK', 0)}", 1) == 1)
        except RuntimeError:  # the store has ended with the process that held it
            return False

    def leave(self) -> None:
        """Part from the other processes; the signal that torchrun sends when one has failed is not needed any more."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        distributed.destroy_process_group()

    def _gather(self, own: torch.Tensor) -> torch.Tensor:
        """Return the tensors of all processes, each of the shape (M,), as one, (N, M)."""
        out = own.new_empty(self.size, len(own))
        with self._together():
            distributed.all_gather([*out], own)
        return out

    def _add(self, own: torch.Tensor) -> None:
        """Add the other processes' tensors, of the same shape."""
        with self._together():
            distributed.all_reduce(own)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Say in words, or as the Ctrl-C that it follows from, that another process has ended."""
        try:
            yield
        except RuntimeError as error:
            if is_of_memory(error):
                raise
            if self._interrupted:
                raise KeyboardInterrupt from None
            raise TrainingError(
                f"expected {self.size} processes until training ends, found that one has ended "
                f"({_reason(error)}); start them all again, with --resume"
            ) from error


def _rows_of(grad: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return rows of a table's gradient, (U, D), zeros for those that it lacks; rows ascend."""
    if not grad.is_sparse:
        return grad[rows]
    values = grad._values()
    out = values.new_zeros(len(rows), values.shape[1])
    out[torch.searchsorted(rows, grad._indices()[0])] = values
    return out


def _reason(error: Exception) -> str:
    """Return what an error says, without the place in torch's source before it and the advice after it."""
    return shortened(re.sub(r"^\[\S*\] ", "", one_line(error)).partition(". ")[0])


def join() -> TrainingGroup:
    """Return the group of the processes that torchrun started.

    Raises:
        ConfigError: torch is built without what they need.
        TrainingError: they do not find one another.
    """
    if not distributed.is_available():
        raise ConfigError(
            f"expected a torch with torch.distributed for {os.environ['WORLD_SIZE']} processes, found one without; "
            "install another build of torch, or start textcnn without torchrun"
        )
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, size = next(rendezvous("env://"))
        # After a restart (torchrun --max-restarts) the store still has what ended processes left there.
        store = distributed.PrefixStore(f"textcnn/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and distributed.is_nccl_available() else "gloo"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"expected to find {os.environ['WORLD_SIZE']} processes, found an error ({_reason(error)}); "
            "start them by torchrun"
        ) from error
    return Processes(store, rank, size)
