"""The look-up convolution: a convolution over word vectors as a sum of table look-ups.

A window of h words scores sum_j E[x_(i+j)] . W_j. With the table T_j = E W_j over the *distinct* words of a batch this
is a sum of h look-ups, whatever the length of the texts. It is exact up to rounding.

Shapes: B texts of N words in total, U distinct words, R region sizes summing to S slots, P windows of the longest text,
F feature maps, D dimensions.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from textcnn.nn import functions
from textcnn.nn._pooling import first_max, fold
from textcnn.nn.functions import project


def window_counts(lengths: torch.Tensor, region_size: int, padding: str) -> torch.Tensor:
    """Return the number of windows of each text.

    Wide: s + h - 1, all that touch a word. Narrow: s - h + 1, but one for a text shorter than the region, which is
    padded on the right. A text without words has none.

    Args:
        lengths: s, words per text, (B,).
        region_size: h.
        padding: `wide` or `narrow`.

    Returns:
        Counts, (B,).
    """
    margin = region_size - 1
    counts = lengths + margin if padding == "wide" else (lengths - margin).clamp(min=1)  # (B,)
    return torch.where(lengths > 0, counts, 0)  # (B,)


class LookupConvolution(nn.Module):
    """Convolution over windows of words, with all region sizes in one matrix product.

    Args:
        dimension: D, the length of a word's embedding.
        region_sizes: h of each of the R regions.
        feature_maps: F filters per region.
        padding: `wide` (h - 1 zero rows on both sides) or `narrow`.

    Attributes:
        bf16: whether the words are projected in bfloat16 in training.
    """

    def __init__(self, *, dimension: int, region_sizes: tuple[int, ...], feature_maps: int, padding: str) -> None:
        super().__init__()
        self.region_sizes = region_sizes
        self.padding = padding
        self.bf16 = False
        # The regions are side by side: slot j of region r is weight[sum(region_sizes[:r]) + j].
        self.weight = nn.Parameter(torch.empty(sum(region_sizes), feature_maps, dimension))  # (S, F, D)
        self.bias = nn.Parameter(torch.zeros(len(region_sizes), feature_maps))  # (R, F)
        nn.init.uniform_(self.weight, -0.01, 0.01)  # Kim's code

    def forward(
        self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return the response of every filter at every window.

        Args:
            words: embeddings of the distinct words, (U, D).
            inverse: index into `words` at each position of the concatenated texts, (N,).
            lengths: words per text, (B,), summing to N.

        Returns:
            For each region size the responses, (B, P, F), and the number of windows of each text, (B,). The responses
            after a text's last window are undefined.
        """
        table = project(words, self.weight, bf16=self.bf16 and self.training)  # (U, S, F)
        sums = sums_of_windows(table, inverse, lengths, self.region_sizes, self.padding)  # R of (B, P, F)
        return [
            (total + bias, window_counts(lengths, size, self.padding))  # (B, P, F), (B,)
            for total, bias, size in zip(sums, self.bias, self.region_sizes, strict=True)
        ]

    def k_largest(
        self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor, activation: str, k: int
    ) -> torch.Tensor:
        """Return the k largest activated responses of every filter in each text, in their order; compiled loops only.

        Equal to `forward`, activation and k-max pooling, but no more than k responses of a text and map are stored.

        Args:
            words: embeddings of the distinct words, (U, D).
            inverse: index into `words` at each position of the concatenated texts, (N,).
            lengths: words per text, (B,), summing to N.
            activation: `identity`, `relu` or `tanh`.
            k: how many responses to keep.

        Returns:
            Responses, (B, R k F), zeros after those of a text with fewer windows.
        """
        bf16 = self.bf16 and self.training
        return functions.LargestOfWindows.apply(
            *(words, self.weight, self.bias, inverse.int(), offsets_of(lengths)),
            *(self.region_sizes, self.padding == "wide", activation, k, bf16),
        )  # (B, R k F)

    def mean(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor, activation: str) -> torch.Tensor:
        """Return the mean activated response of every filter in each text, (B, R F); compiled loops only.

        Equal to `forward`, activation and average pooling, but no window's response is stored. Arguments as in
        `k_largest`.
        """
        table = project(words, self.weight, bf16=self.bf16 and self.training)  # (U, S, F)
        return functions.MeanOfWindows.apply(
            *(table, self.bias, inverse.int(), offsets_of(lengths)),
            *(self.region_sizes, self.padding == "wide", activation),
        )  # (B, R F)

    def largest(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the largest response of every filter over the windows of each text.

        Equal to `forward` followed by max-over-time pooling, ties going to the first window, but no window's response
        is stored, and only the largest has a gradient. Arguments as in `forward`.

        Returns:
            Maxima, (B, R F); the bias for a text without words.
        """
        bf16 = self.bf16 and self.training
        if functions.usable(words, self.weight):
            offsets, wide = offsets_of(lengths), self.padding == "wide"
            best = functions.MaxOfWindows.apply(
                words, self.weight, inverse.int(), offsets, self.region_sizes, wide, bf16
            )  # (B, R F)
        else:
            best = _TorchMaxOfWindows.apply(
                words, self.weight, inverse, lengths, self.region_sizes, self.padding, bf16
            )  # (B, R F)
        return best + self.bias.flatten()  # (B, R F)


class RowLookupConvolution(nn.Module):
    """Wide convolution of each row of the sentence matrix, and folding (Kalchbrenner et al. 2014, 3.1 and 3.6).

    Both are linear, so one table of half the rows holds what a word adds to every window.

    Args:
        channels: C, rows of a word; each channel has filters of its own.
        dimension: D, even.
        region_size: m.
        feature_maps: F.
    """

    def __init__(self, *, channels: int, dimension: int, region_size: int, feature_maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, region_size, feature_maps, dimension))  # (C, m, F, D)
        bound = math.sqrt(6 / (region_size * (channels + feature_maps)))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(
        self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the folded response of every filter at every window.

        Args:
            words: embeddings of the distinct words, (U, C, D).
            inverse: index into `words` at each position of the concatenated texts, (N,).
            lengths: words per text, (B,), summing to N.

        Returns:
            Responses, (B, P, F, D / 2), and the number of windows of each text, (B,).
        """
        _, size, maps, dimension = self.weight.shape  # C, m, F, D
        table = fold(torch.einsum("ucd,cmfd->umfd", words, self.weight))  # (U, m, F, D / 2)
        [total] = sums_of_windows(table.flatten(2), inverse, lengths, (size,), "wide")  # (B, P, F D / 2)
        return total.unflatten(2, (maps, dimension // 2)), window_counts(lengths, size, "wide")


def offsets_of(lengths: torch.Tensor) -> torch.Tensor:
    """Return where each text begins in the concatenated texts, and their end, (B + 1,), from the lengths (B,)."""
    return F.pad(lengths.cumsum(0), (1, 0))


def sums_of_windows(
    table: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor, sizes: tuple[int, ...], padding: str
) -> list[torch.Tensor]:
    """Return the sum of look-ups of every window, (B, P, F) for each region size.

    Args:
        table: projected words, (U, S, F); the slots of the regions are side by side.
        inverse: index into `table` at each position of the concatenated texts, (N,).
        lengths: words per text, (B,), summing to N.
        sizes: words per window of each region, (R,), summing to S.
        padding: `wide` or `narrow`.
    """
    if functions.usable(table):
        offsets = offsets_of(lengths)  # (B + 1,)
        return list(functions.SumsOfWindows.apply(table, inverse.int(), offsets, sizes, padding == "wide"))
    layout = lay_out(inverse, lengths, padding=len(table), margin=max(sizes) - 1)  # (B, L + 2 margin)
    return [
        sum_look_ups(table[:, slot : slot + size], layout[:, begin:], window_counts(lengths, size, padding))
        for slot, size, begin in _slots(sizes, padding)
    ]


def _slots(sizes: tuple[int, ...], padding: str) -> list[tuple[int, int, int]]:
    """Return the first slot of each region, its size, and the column at which its windows begin.

    Columns are those of `lay_out` with a margin for the largest region.
    """
    margin = max(sizes) - 1
    firsts = [sum(sizes[:region]) for region in range(len(sizes))]
    return [
        (slot, size, margin - (size - 1) if padding == "wide" else margin)
        for slot, size in zip(firsts, sizes, strict=True)
    ]


class _TorchMaxOfWindows(torch.autograd.Function):
    """`functions.MaxOfWindows` in torch, for any device and precision; it takes lengths (B,) and `padding`."""

    @staticmethod
    def forward(
        ctx: Any,
        words: torch.Tensor,
        filters: torch.Tensor,
        inverse: torch.Tensor,
        lengths: torch.Tensor,
        sizes: tuple[int, ...],
        padding: str,
        bf16: bool,
    ) -> torch.Tensor:
        """Return the largest sums, (B, R F)."""
        table = project(words, filters, bf16=bf16)  # (U, S, F)
        layout = lay_out(inverse, lengths, padding=len(words), margin=max(sizes) - 1)  # (B, L + 2 margin)
        best, starts = [], []
        for slot, size, begin in _slots(sizes, padding):
            counts = window_counts(lengths, size, padding)  # (B,)
            sums = sum_look_ups(table[:, slot : slot + size], layout[:, begin:], counts)  # (B, P, F)
            values, windows = first_max(sums, counts)  # (B, F), (B, F)
            best.append(values)
            starts.append(windows + begin)  # columns of the layout
        ctx.save_for_backward(words, filters, layout, lengths, torch.stack(starts, dim=1))  # starts: (B, R, F)
        ctx.sizes, ctx.padding = sizes, padding
        return torch.cat(best, dim=1)  # (B, R F)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of words and filters, two products with that of the table.

        Each value of `grad`, (B, R F), adds to h numbers of the table's gradient.
        """
        words, filters, layout, lengths, starts = ctx.saved_tensors  # starts: (B, R, F)
        slots, maps, dimension = filters.shape  # S, F, D
        grad = torch.where(lengths[:, None] > 0, grad, 0.0).view(starts.shape)  # (B, R, F)
        flat = grad.new_zeros((len(words) + 1) * slots * maps)  # ((U + 1) S F,), the last word is padding
        map_of = torch.arange(maps, device=grad.device)  # (F,)
        for region, (slot, size, _) in enumerate(_slots(ctx.sizes, ctx.padding)):
            for j in range(size):
                word = layout.gather(1, starts[:, region] + j).long()  # (B, F)
                index = (word * slots + slot + j) * maps + map_of  # (B, F)
                flat.index_put_((index,), grad[:, region], accumulate=True)
        table_grad = flat.view(-1, slots * maps)[:-1]  # (U, S F)
        words_grad = table_grad @ filters.view(-1, dimension) if ctx.needs_input_grad[0] else None  # (U, D)
        filters_grad = (table_grad.T @ words).view(filters.shape)  # (S, F, D)
        return words_grad, filters_grad, None, None, None, None, None


def sum_look_ups(table: torch.Tensor, layout: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the sum of look-ups of every window: window p sums slot j of the word at p + j over all j.

    Args:
        table: projected words of one region, (U, h, F).
        layout: index into `table` at each position, from the first position of the first window, U for padding,
            (B, at least P + h - 1).
        counts: windows of each text, (B,).

    Returns:
        Sums, (B, P, F).
    """
    _, size, maps = table.shape  # U, h, F
    windows = max(int(counts.max()), 1) if len(counts) else 1  # P
    rows = F.pad(table, (0, 0, 0, 0, 0, 1)).reshape(-1, maps)  # ((U + 1) h, F), the last word is padding
    total = F.embedding(layout[:, :windows] * size, rows)  # (B, P, F)
    for j in range(1, size):
        total = total + F.embedding(layout[:, j : j + windows] * size + j, rows)  # (B, P, F)
    return total


def lay_out(inverse: torch.Tensor, lengths: torch.Tensor, *, padding: int, margin: int) -> torch.Tensor:
    """Return the concatenated texts as one row per text, padded.

    Args:
        inverse: index of the word at each position, (N,).
        lengths: words per text, (B,), summing to N.
        padding: the index that fills the margins and the ends of shorter texts.
        margin: padding on each side of the longest text.

    Returns:
        Indices, (B, L + 2 margin), with L words in the longest text.
    """
    longest = max(int(lengths.max()), 1) if len(lengths) else 1  # L
    layout = inverse.new_full((len(lengths), longest + 2 * margin), padding)  # (B, L + 2 margin)
    real = torch.arange(longest, device=inverse.device) < lengths[:, None]  # (B, L)
    layout[:, margin : margin + longest][real] = inverse
    return layout
