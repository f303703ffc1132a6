"""The compiled loops of `textcnn.kernels` with their gradients, as functions of torch.

They take float32 tensors on the CPU (see `usable`); for others the layers compute the same in torch. Shapes as in
`textcnn.kernels`.

Importing this module limits torch to one thread in processes forked from this one: OpenMP's threads do not survive a
fork, and a child that uses several waits for them forever.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from textcnn import kernels
from textcnn.settings.config import DCNNConfig

BF16_ROWS = 64  # oneDNN builds a kernel for each number of rows, and batches differ: rounded up, they are few


def usable(*tensors: torch.Tensor) -> bool:
    """Return whether the compiled loops can take these tensors."""
    return kernels.compiled and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """Return the tensor as a contiguous array, without a copy where it is contiguous already."""
    return tensor.detach().contiguous().numpy()


def _flat(tensors: Sequence[torch.Tensor]) -> np.ndarray:
    """Return the numbers of all tensors, one after the other."""
    return np.concatenate([np.zeros(0, np.float32), *(tensor.detach().numpy().ravel() for tensor in tensors)])


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


class LargestOfWindows(torch.autograd.Function):
    """k-max pooling of the responses to the windows of each text; only the k largest of each map have a gradient.

    `apply(words, filters, bias, inverse, offsets, sizes, wide, activation, k, bf16)` takes the biases (R, F), the
    name of the activation and k, and the rest as in `MaxOfWindows`. It returns the responses, (B, R k F).
    """

    @staticmethod
    def forward(
        ctx: Any,
        words: torch.Tensor,
        filters: torch.Tensor,
        bias: torch.Tensor,
        inverse: torch.Tensor,
        offsets: torch.Tensor,
        sizes: tuple[int, ...],
        wide: bool,
        activation: str,
        k: int,
        bf16: bool,
    ) -> torch.Tensor:
        """Return the responses, (B, R k F)."""
        table = project(words, filters, bf16=bf16)  # (U, S, F)
        ctx.sizes, ctx.activation, ctx.k = np.array(sizes, np.int32), activation, k
        values, ctx.where = kernels.k_windows(
            *(table.numpy(), *_texts(inverse, offsets), ctx.sizes),
            wide=wide,
            bias=_array(bias),
            activation=activation,
            k=k,
            threads=_threads(),
        )
        responses = torch.from_numpy(values)
        ctx.save_for_backward(words, filters, inverse, offsets, responses)
        return responses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of words, filters and bias."""
        words, filters, inverse, offsets, responses = ctx.saved_tensors
        real = torch.from_numpy(ctx.where != np.iinfo(np.int32).min)  # (B, R k F)
        if ctx.activation == "relu":
            grad = grad * (responses > 0)
        elif ctx.activation == "tanh":
            grad = grad * (1 - responses * responses) * real
        else:
            grad = grad * real
        filters_grad, words_grad = kernels.max_windows_back(
            *(_array(grad), ctx.where, inverse.numpy(), offsets.numpy(), ctx.sizes, _array(words), _array(filters)),
            words_too=ctx.needs_input_grad[0],
            k=ctx.k,
            threads=_threads(),
        )
        bias_grad = grad.view(len(grad), len(ctx.sizes), ctx.k, -1).sum(dim=(0, 2))  # (R, F)
        words_back = None if words_grad is None else torch.from_numpy(words_grad)
        return words_back, torch.from_numpy(filters_grad), bias_grad, *[None] * 7


class MeanOfWindows(torch.autograd.Function):
    """The mean response of each map to the windows of each text.

    `apply(table, bias, inverse, offsets, sizes, wide, activation)` takes a table of projected words, (U, S, F), the
    biases (R, F), and the rest as in `LargestOfWindows`. It returns the means, (B, R F).
    """

    @staticmethod
    def forward(
        ctx: Any,
        table: torch.Tensor,
        bias: torch.Tensor,
        inverse: torch.Tensor,
        offsets: torch.Tensor,
        sizes: tuple[int, ...],
        wide: bool,
        activation: str,
    ) -> torch.Tensor:
        """Return the means, (B, R F)."""
        ctx.save_for_backward(table, bias, inverse, offsets)
        ctx.sizes = np.array(sizes, np.int32)
        ctx.options = {"wide": wide, "activation": activation}
        means = kernels.mean_windows(
            *(_array(table), *_texts(inverse, offsets), ctx.sizes),
            **ctx.options,
            bias=_array(bias),
            threads=_threads(),
        )
        return torch.from_numpy(means)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of the table and the bias."""
        table, bias, inverse, offsets = ctx.saved_tensors
        grads = kernels.mean_windows_back(
            *(_array(grad), _array(table), inverse.numpy(), offsets.numpy(), ctx.sizes),
            **ctx.options,
            bias=_array(bias),
            threads=_threads(),
        )
        return *map(torch.from_numpy, grads), *[None] * 5


class RowLayers(torch.autograd.Function):
    """All layers of the DCNN, text by text.

    `apply(config, inverse, offsets, words, first, *weights)` takes the network's settings, the texts as in
    `MaxOfWindows`, the embeddings of the distinct words, (U, C, D), the filters of the first layer, (C, m, F, D), then
    the biases of all layers, (F, D / 2) each, and the filters of the others, (D, F, F', m) each. It returns the
    features, (B, k_top F D / 2^L).
    """

    @staticmethod
    def forward(
        ctx: Any,
        config: DCNNConfig,
        inverse: torch.Tensor,
        offsets: torch.Tensor,
        words: torch.Tensor,
        first: torch.Tensor,
        *weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the features, (B, k_top F D / 2^L)."""
        biases, filters = weights[: len(config.region_sizes)], weights[len(config.region_sizes) :]
        ctx.shapes = [weight.shape for weight in weights]
        ctx.arguments = (_array(words), *_texts(inverse, offsets))
        ctx.layers = {
            "first": _array(first),
            "sizes": np.array(config.region_sizes, np.int32),
            "maps": np.array(config.feature_maps, np.int32),
            "k_top": config.k_top,
            "biases": _flat(biases),
            "filters": _flat([weight.permute(0, 3, 2, 1) for weight in filters]),  # (D, m, F', F) each
        }
        ctx.kept = kernels.row_layers(*ctx.arguments, **ctx.layers, threads=_threads())
        features = torch.from_numpy(ctx.kept[0])
        ctx.save_for_backward(words, first, *weights, features)
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of words, filters and biases."""
        _ = ctx.saved_tensors  # raises if one has changed since: the arrays are their memory
        words_grad, first_grad, *flat = map(
            torch.from_numpy,
            kernels.row_layers_back(_array(grad), ctx.kept, *ctx.arguments, **ctx.layers, threads=_threads()),
        )
        weights_grad = []
        for shape in ctx.shapes:
            part, of = (0, shape) if len(shape) == 2 else (1, [shape[0], shape[3], shape[2], shape[1]])
            found = flat[part][: shape.numel()].view(of)
            flat[part] = flat[part][shape.numel() :]
            weights_grad.append(found if len(shape) == 2 else found.permute(0, 3, 2, 1))
        return None, None, None, words_grad, first_grad, *weights_grad


def project(words: torch.Tensor, filters: torch.Tensor, *, bf16: bool) -> torch.Tensor:
    """Return the table T_j = E W_j of the look-up convolution, (U, S, F).

    Args:
        words: E, embeddings of the distinct words, (U, D).
        filters: W, (S, F, D).
        bf16: multiply in bfloat16.
    """
    flat = filters.flatten(0, 1)  # (S F, D)
    if bf16:
        rows = F.pad(words.bfloat16(), (0, 0, 0, -len(words) % BF16_ROWS))  # (U or more, D)
        product = (rows @ flat.bfloat16().T)[: len(words)].float()  # (U, S F)
    else:
        product = words @ flat.T  # (U, S F)
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
