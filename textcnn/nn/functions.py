"""The compiled loops of `textcnn.kernels` with their gradients, as functions of torch.

They take 32-bit tensors on the CPU (`usable` says whether that holds); elsewhere the layers
do the same in torch. Shapes as in `textcnn.kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from textcnn import kernels


def usable(*tensors: torch.Tensor) -> bool:
    """Whether the compiled loops take these tensors."""
    return kernels.compiled and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's own memory, made contiguous."""
    return tensor.detach().contiguous().numpy()


class MaxOfWindows(torch.autograd.Function):
    """Projection, sums of look-ups and the largest of each text; the gradient from those largest windows alone.

    `apply(words, filters, ids, offsets, sizes, wide, bf16)`: rows of the distinct words (U, D), filters (S, F, D), ids
    (N,) int32, offsets (B + 1,), the R region sizes, wide convolution or narrow, and whether to project in bfloat16; to
    the largest sums, (B, R F), zeros for a text without words.
    """

    @staticmethod
    def forward(
        ctx: Any,
        words: torch.Tensor,
        filters: torch.Tensor,
        ids: torch.Tensor,
        offsets: torch.Tensor,
        sizes: tuple[int, ...],
        wide: bool,
        bf16: bool,
    ) -> torch.Tensor:
        """The largest sums."""
        table = project(words, filters, bf16=bf16)
        ctx.wide = wide
        ctx.sizes = np.array(sizes, np.int32)
        best, where = kernels.max_windows(
            table.numpy(), *_texts(ids, offsets), ctx.sizes, wide=wide, places=True, threads=_threads()
        )
        ctx.save_for_backward(words, filters, ids, offsets)
        ctx.where = where
        return torch.from_numpy(best)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of words and filters."""
        words, filters, ids, offsets = ctx.saved_tensors
        filters_grad, words_grad = kernels.max_windows_back(
            *(_array(grad), ctx.where, ids.numpy(), offsets.numpy(), ctx.sizes, _array(words), _array(filters)),
            words_too=ctx.needs_input_grad[0],
            threads=_threads(),
        )
        words_back = None if words_grad is None else torch.from_numpy(words_grad)
        return words_back, torch.from_numpy(filters_grad), None, None, None, None, None


class SumsOfWindows(torch.autograd.Function):
    """`apply(table, ids, offsets, sizes, wide)`: a table of projected words, (U, S, F), to all windows of each region.

    The result is a tensor (B, P, F) for each of the R region sizes, zeros behind a text's last window.
    """

    @staticmethod
    def forward(
        ctx: Any, table: torch.Tensor, ids: torch.Tensor, offsets: torch.Tensor, sizes: tuple[int, ...], wide: bool
    ) -> tuple[torch.Tensor, ...]:
        """The sums."""
        ctx.save_for_backward(ids, offsets)
        ctx.shape, ctx.sizes, ctx.wide = table.shape, sizes, wide
        longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
        rows, out, slot = _array(table), [], 0
        for size in sizes:
            out.append(
                kernels.sum_windows(
                    *(rows, *_texts(ids, offsets)),
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
        """The gradient of the table."""
        ids, offsets = ctx.saved_tensors
        table_grad = np.zeros(ctx.shape, np.float32)
        slot = 0
        for size, grad in zip(ctx.sizes, grads, strict=True):
            kernels.sum_windows_back(
                *(_array(grad), ids.numpy(), offsets.numpy(), table_grad),
                size=size,
                slot=slot,
                wide=ctx.wide,
                threads=_threads(),
            )
            slot += size
        return torch.from_numpy(table_grad), None, None, None, None


class KMax(torch.autograd.Function):
    """`apply(x, counts, ks, most)`: as `textcnn.kernels.k_max`, the values."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, counts: torch.Tensor, ks: torch.Tensor, most: int) -> torch.Tensor:
        """The k largest values of each map in their order, (B, P, F) to (B, K, F)."""
        values, ctx.where = kernels.k_max(_array(x), _array(counts), _array(ks), most, threads=_threads())
        ctx.positions = x.shape[1]
        return torch.from_numpy(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradient of x."""
        x_grad = kernels.k_max_back(_array(grad), ctx.where, ctx.positions, threads=_threads())
        return torch.from_numpy(x_grad), None, None, None


class FoldedRows(torch.autograd.Function):
    """`apply(x, counts, filters)`: as `textcnn.kernels.row_convolution`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, counts: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
        """Wide convolution of each row by itself, folded, (B, P, F', D) to (B, P + m - 1, F, D / 2)."""
        ctx.save_for_backward(x, counts, filters)
        return torch.from_numpy(kernels.row_convolution(_array(x), _array(counts), _array(filters), threads=_threads()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x and the filters."""
        x_grad, filters_grad = kernels.row_convolution_back(
            *map(_array, (grad, *ctx.saved_tensors)), x_too=ctx.needs_input_grad[0], threads=_threads()
        )
        return None if x_grad is None else torch.from_numpy(x_grad), None, torch.from_numpy(filters_grad)


def project(words: torch.Tensor, filters: torch.Tensor, *, bf16: bool) -> torch.Tensor:
    """The table T_j = E W_j: words (U, D) and filters (S, F, D) to (U, S, F); `bf16` multiplies in bfloat16."""
    flat = filters.flatten(0, 1)  # (S F, D)
    product = (words.bfloat16() @ flat.bfloat16().T).float() if bf16 else words @ flat.T
    return product.unflatten(1, filters.shape[:2])


def _texts(ids: torch.Tensor, offsets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Ids and offsets as arrays; ValueError unless the texts hold all ids."""
    arrays = ids.numpy(), offsets.numpy()
    if arrays[1][-1] != len(ids):
        raise ValueError(f"lengths: expected a sum of {len(ids)}, the number of ids, found {arrays[1][-1]}")
    return arrays


def _threads() -> int:
    threads = torch.get_num_threads()
    if threads > 1:
        kernels.limit_spinning()
    return threads
