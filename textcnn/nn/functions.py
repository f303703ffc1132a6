"""The compiled loops of `textcnn.kernels` with their gradients, as functions of torch.

They take float32 tensors on the CPU (see `usable`); for others the layers compute the same in torch. Shapes as in
`textcnn.kernels`.

Importing this module limits torch to one thread in processes forked from this one: OpenMP's threads do not survive a
fork, and a child that uses several waits for them forever.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from textcnn import kernels


def usable(*tensors: torch.Tensor) -> bool:
    """Return whether the compiled loops can take these tensors."""
    return kernels.compiled and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """Return the tensor as a contiguous array, without a copy where it is contiguous already."""
    return tensor.detach().contiguous().numpy()


class MaxOfWindows(torch.autograd.Function):
    """The largest sum of look-ups over the windows of each text; only the largest windows have a gradient.

    `apply(words, filters, inverse, offsets, sizes, wide, bf16)` takes the embeddings of the distinct words (U, D), the
    filters (S, F, D), the index into `words` at each position (N,) int32, the texts' offsets (B + 1,), the R region
    sizes, whether the convolution is wide, and whether to project in bfloat16. It returns the largest sums, (B, R F),
    zeros for a text without words.
    """

    @staticmethod
    def forward(
        ctx: Any,
        words: torch.Tensor,
        filters: torch.Tensor,
        inverse: torch.Tensor,
        offsets: torch.Tensor,
        sizes: tuple[int, ...],
        wide: bool,
        bf16: bool,
    ) -> torch.Tensor:
        """Return the largest sums, (B, R F)."""
        table = project(words, filters, bf16=bf16)  # (U, S, F)
        ctx.wide = wide
        ctx.sizes = np.array(sizes, np.int32)
        best, where = kernels.max_windows(
            table.numpy(), *_texts(inverse, offsets), ctx.sizes, wide=wide, places=True, threads=_threads()
        )
        ctx.save_for_backward(words, filters, inverse, offsets)
        ctx.where = where
        return torch.from_numpy(best)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of words and filters."""
        words, filters, inverse, offsets = ctx.saved_tensors
        filters_grad, words_grad = kernels.max_windows_back(
            *(_array(grad), ctx.where, inverse.numpy(), offsets.numpy(), ctx.sizes, _array(words), _array(filters)),
            words_too=ctx.needs_input_grad[0],
            threads=_threads(),
        )
        words_back = None if words_grad is None else torch.from_numpy(words_grad)
        return words_back, torch.from_numpy(filters_grad), None, None, None, None, None


class SumsOfWindows(torch.autograd.Function):
    """The sums of look-ups of all windows, for each region size.

    `apply(table, inverse, offsets, sizes, wide)` takes a table of projected words, (U, S, F), and the rest as in
    `MaxOfWindows`. It returns a tensor (B, P, F) for each of the R region sizes, zeros after a text's last window.
    """

    @staticmethod
    def forward(
        ctx: Any, table: torch.Tensor, inverse: torch.Tensor, offsets: torch.Tensor, sizes: tuple[int, ...], wide: bool
    ) -> tuple[torch.Tensor, ...]:
        """Return the sums, (B, P, F) for each region size."""
        ctx.save_for_backward(inverse, offsets)
        ctx.shape, ctx.sizes, ctx.wide = table.shape, sizes, wide
        longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
        rows, out, slot = _array(table), [], 0
        for size in sizes:
            out.append(
                kernels.sum_windows(
                    *(rows, *_texts(inverse, offsets)),
                    size=size,
                    slot=slot,
                    wide=wide,
                    positions=max(longest + size - 1 if wide else longest - size + 1, 1),
                    threads=_threads(),
                )
            )
            slot += size
        return tuple(map(torch.from_numpy, out))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradient of the table."""
        inverse, offsets = ctx.saved_tensors
        table_grad = np.zeros(ctx.shape, np.float32)
        slot = 0
        for size, grad in zip(ctx.sizes, grads, strict=True):
            kernels.sum_windows_back(
                *(_array(grad), inverse.numpy(), offsets.numpy(), table_grad),
                size=size,
                slot=slot,
                wide=ctx.wide,
                threads=_threads(),
            )
            slot += size
        return torch.from_numpy(table_grad), None, None, None, None


class KMax(torch.autograd.Function):
    """k-max pooling: `apply(x, counts, ks, most)` returns the values of `textcnn.kernels.k_max`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, counts: torch.Tensor, ks: torch.Tensor, most: int) -> torch.Tensor:
        """Return the k largest values of each map in their order, (B, P, F) to (B, K, F)."""
        values, ctx.where = kernels.k_max(_array(x), _array(counts), _array(ks), most, threads=_threads())
        ctx.positions = x.shape[1]
        return torch.from_numpy(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradient of x."""
        x_grad = kernels.k_max_back(_array(grad), ctx.where, ctx.positions, threads=_threads())
        return torch.from_numpy(x_grad), None, None, None


class FoldedRows(torch.autograd.Function):
    """Folded convolution of rows: `apply(x, counts, filters)` returns that of `textcnn.kernels.row_convolution`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, counts: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
        """Return the folded wide convolution of each row, (B, P, F', D) to (B, P + m - 1, F, D / 2)."""
        ctx.save_for_backward(x, counts, filters)
        return torch.from_numpy(kernels.row_convolution(_array(x), _array(counts), _array(filters), threads=_threads()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x and the filters."""
        x_grad, filters_grad = kernels.row_convolution_back(
            *map(_array, (grad, *ctx.saved_tensors)), x_too=ctx.needs_input_grad[0], threads=_threads()
        )
        return None if x_grad is None else torch.from_numpy(x_grad), None, torch.from_numpy(filters_grad)


def project(words: torch.Tensor, filters: torch.Tensor, *, bf16: bool) -> torch.Tensor:
    """Return the table T_j = E W_j of the look-up convolution, (U, S, F).

    Args:
        words: E, embeddings of the distinct words, (U, D).
        filters: W, (S, F, D).
        bf16: multiply in bfloat16.
    """
    flat = filters.flatten(0, 1)  # (S F, D)
    product = (words.bfloat16() @ flat.bfloat16().T).float() if bf16 else words @ flat.T  # (U, S F)
    return product.unflatten(1, filters.shape[:2])  # (U, S, F)


def _texts(inverse: torch.Tensor, offsets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays; raise ValueError unless the texts cover all positions."""
    arrays = inverse.numpy(), offsets.numpy()
    if arrays[1][-1] != len(inverse):
        raise ValueError(f"lengths: expected a sum of {len(inverse)}, the number of ids, found {arrays[1][-1]}")
    return arrays


def _threads() -> int:
    """Return torch's number of threads; idle ones of several are kept from spinning for long."""
    threads = torch.get_num_threads()
    if threads > 1:
        kernels.limit_spinning()
    return threads


def _after_fork() -> None:
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
