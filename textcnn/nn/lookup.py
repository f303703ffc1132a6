"""The look-up convolution: a convolution over word vectors as a sum of table look-ups.

A window of h words scores sum_j E[x_(i+j)] . W_j. With the table T_j = E W_j over the *distinct*
words of a batch that is a sum of h look-ups, whatever the length of the texts. Exact up to rounding.
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
    """Windows of each text.

    Wide: s + h - 1, all that touch a word. Narrow: s - h + 1, and one for a text shorter than the
    region (it is padded on the right). A text without words has none.

    Args:
        lengths: words of each text, (B,).
        region_size: h.
        padding: `wide` or `narrow`.

    Returns:
        Counts, (B,).
    """
    margin = region_size - 1
    counts = lengths + margin if padding == "wide" else (lengths - margin).clamp(min=1)
    return torch.where(lengths > 0, counts, 0)


class LookupConvolution(nn.Module):
    """Convolution of regions of words, all region sizes in one product.

    Args:
        dimension: D, the length of a word's row.
        region_sizes: h, one for each of the R regions.
        feature_maps: F filters a region.
        padding: `wide` (h - 1 zero rows on both sides) or `narrow`.

    Attributes:
        bf16: whether the words are projected in bfloat16 in training.
    """

    def __init__(self, *, dimension: int, region_sizes: tuple[int, ...], feature_maps: int, padding: str) -> None:
        super().__init__()
        self.region_sizes = region_sizes
        self.padding = padding
        self.bf16 = False
        # The region sizes side by side: slot j of region r is weight[sum(sizes before r) + j].
        self.weight = nn.Parameter(torch.empty(sum(region_sizes), feature_maps, dimension))
        self.bias = nn.Parameter(torch.zeros(len(region_sizes), feature_maps))
        nn.init.uniform_(self.weight, -0.01, 0.01)  # Kim's code

    def forward(
        self, words: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Responses of every filter at every window.

        Args:
            words: rows of the distinct words, (U, D).
            ids: which of them stands at each place of the texts, one text after the other, (N,).
            lengths: words of each text, (B,), N in sum.

        Returns:
            For each region size the responses (B, P, F), P the windows of the longest text, and
            the number of real windows of each text (B,). Behind these the responses mean nothing.
        """
        table = project(words, self.weight, bf16=self.bf16 and self.training)  # (U, S, F)
        sums = sums_of_windows(table, ids, lengths, self.region_sizes, self.padding)
        return [
            (total + bias, window_counts(lengths, size, self.padding))
            for total, bias, size in zip(sums, self.bias, self.region_sizes, strict=True)
        ]

    def largest(self, words: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The largest response of every filter over a text's windows, (B, R F); the bias for a text without words.

        The same as `forward` and max-over-time pooling, of equal responses the first, but nothing is kept for each
        window, and the gradient goes the way of the largest alone. Arguments as in `forward`.
        """
        bf16 = self.bf16 and self.training
        if functions.usable(words, self.weight):
            best = functions.MaxOfWindows.apply(
                words, self.weight, ids.int(), offsets_of(lengths), self.region_sizes, self.padding == "wide", bf16
            )
        else:
            best = _TorchMaxOfWindows.apply(words, self.weight, ids, lengths, self.region_sizes, self.padding, bf16)
        return best + self.bias.flatten()


class RowLookupConvolution(nn.Module):
    """Wide convolution of each row of the sentence matrix by itself, folded (Kalchbrenner et al. 2014, 3.2 and 3.4).

    Both are linear, so a word's part of every window is in one table, with half the rows.

    Args:
        channels: C, rows that a word has; each has filters of its own.
        dimension: D, even.
        region_size: m.
        feature_maps: F.
    """

    def __init__(self, *, channels: int, dimension: int, region_size: int, feature_maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, region_size, feature_maps, dimension))
        bound = math.sqrt(6 / (region_size * (channels + feature_maps)))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(
        self, words: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Folded responses at every window.

        Args:
            words: rows of the distinct words, (U, C, D).
            ids: which of them stands at each place of the texts, (N,).
            lengths: words of each text, (B,), N in sum.

        Returns:
            Responses (B, P, F, D / 2) and the number of real windows of each text (B,).
        """
        _, size, maps, dimension = self.weight.shape
        if functions.usable(words, self.weight):
            # A text of one word: its window w has the word at slot m - 1 - w.
            filters = self.weight.permute(2, 1, 0, 3).flip(1)  # (F, m, C, D)
            ones = torch.ones(len(words), dtype=torch.int64)
            table = functions.FoldedRows.apply(words[:, None], ones, filters)  # (U, m, F, D / 2)
        else:
            table = fold(torch.einsum("ucd,cmfd->umfd", words, self.weight))  # (U, m, F, D / 2)
        [total] = sums_of_windows(table.flatten(2), ids, lengths, (size,), "wide")  # (B, P, F D / 2)
        return total.unflatten(2, (maps, dimension // 2)), window_counts(lengths, size, "wide")


def offsets_of(lengths: torch.Tensor) -> torch.Tensor:
    """Where each text begins, and the end: lengths (B,) to (B + 1,)."""
    return F.pad(lengths.cumsum(0), (1, 0))


def sums_of_windows(
    table: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor, sizes: tuple[int, ...], padding: str
) -> list[torch.Tensor]:
    """The sums of look-ups of every window, (B, P, F) for each region size.

    Args:
        table: projected words, (U, S, F); the slots of the regions stand side by side.
        ids: which of them stands at each place of the texts, (N,).
        lengths: words of each text, (B,), N in sum.
        sizes: words in a window, one number a region, S in sum.
        padding: `wide` or `narrow`.
    """
    if functions.usable(table):
        offsets = offsets_of(lengths)
        return list(functions.SumsOfWindows.apply(table, ids.int(), offsets, sizes, padding == "wide"))
    layout = lay_out(ids, lengths, padding=len(table), margin=max(sizes) - 1)  # (B, L + 2 margin)
    return [
        sum_look_ups(table[:, slot : slot + size], layout[:, begin:], window_counts(lengths, size, padding))
        for slot, size, begin in _slots(sizes, padding)
    ]


def _slots(sizes: tuple[int, ...], padding: str) -> list[tuple[int, int, int]]:
    """Of each region: its first slot, its size, and where in a layout with the margin of the largest it begins."""
    margin = max(sizes) - 1
    firsts = [sum(sizes[:region]) for region in range(len(sizes))]
    return [
        (slot, size, margin - (size - 1) if padding == "wide" else margin)
        for slot, size in zip(firsts, sizes, strict=True)
    ]


class _TorchMaxOfWindows(torch.autograd.Function):
    """`functions.MaxOfWindows` in torch, for any device and precision."""

    @staticmethod
    def forward(
        ctx: Any,
        words: torch.Tensor,
        filters: torch.Tensor,
        ids: torch.Tensor,
        lengths: torch.Tensor,
        sizes: tuple[int, ...],
        padding: str,
        bf16: bool,
    ) -> torch.Tensor:
        """The largest sums, (B, R F)."""
        table = project(words, filters, bf16=bf16)  # (U, S, F)
        layout = lay_out(ids, lengths, padding=len(words), margin=max(sizes) - 1)  # (B, L + 2 margin)
        best, where = [], []
        for slot, size, begin in _slots(sizes, padding):
            counts = window_counts(lengths, size, padding)
            sums = sum_look_ups(table[:, slot : slot + size], layout[:, begin:], counts)  # (B, P, F)
            values, places = first_max(sums, counts)  # (B, F)
            best.append(values)
            where.append(places + begin)
        ctx.save_for_backward(words, filters, layout, lengths, torch.stack(where, dim=1))
        ctx.sizes, ctx.padding = sizes, padding
        return torch.cat(best, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The table's gradient has h numbers for each value; two products make those of words and filters of it."""
        words, filters, layout, lengths, where = ctx.saved_tensors  # where: (B, R, F)
        slots, maps, dimension = filters.shape
        grad = torch.where(lengths[:, None] > 0, grad, 0.0).view(where.shape)
        flat = grad.new_zeros((len(words) + 1) * slots * maps)  # the last word is padding
        map_of = torch.arange(maps, device=grad.device)
        for region, (slot, size, _) in enumerate(_slots(ctx.sizes, ctx.padding)):
            for j in range(size):
                word = layout.gather(1, where[:, region] + j).long()  # (B, F)
                place = (word * slots + slot + j) * maps + map_of
                flat.index_put_((place,), grad[:, region], accumulate=True)
        table_grad = flat.view(-1, slots * maps)[:-1]  # (U, S F)
        words_grad = table_grad @ filters.view(-1, dimension) if ctx.needs_input_grad[0] else None  # (U, D)
        return words_grad, (table_grad.T @ words).view(filters.shape), None, None, None, None, None


def sum_look_ups(table: torch.Tensor, layout: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Window p of each text is the sum over j of slot j of its word p + j.

    Args:
        table: projected words, (U, h, F).
        layout: words at each place, from the first window's first on, U for padding, (B, at least P + h - 1).
        counts: windows of each text, (B,).

    Returns:
        Sums, (B, P, F), P the windows of the longest text.
    """
    _, size, maps = table.shape
    windows = max(int(counts.max()), 1) if len(counts) else 1  # P
    rows = F.pad(table, (0, 0, 0, 0, 0, 1)).reshape(-1, maps)  # ((U + 1) h, F), the last word is padding
    total = F.embedding(layout[:, :windows] * size, rows)  # (B, P, F)
    for j in range(1, size):
        total = total + F.embedding(layout[:, j : j + windows] * size + j, rows)
    return total


def lay_out(ids: torch.Tensor, lengths: torch.Tensor, *, padding: int, margin: int) -> torch.Tensor:
    """Flat ids as one row a text, `padding` on both sides and behind the shorter texts, (B, L + 2 margin)."""
    longest = max(int(lengths.max()), 1) if len(lengths) else 1
    layout = ids.new_full((len(lengths), longest + 2 * margin), padding)
    real = torch.arange(longest, device=ids.device) < lengths[:, None]  # (B, L)
    layout[:, margin : margin + longest][real] = ids
    return layout
