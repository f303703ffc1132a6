"""The look-up convolution: a convolution over word vectors as a sum of table look-ups.

A window of h words scores sum_j E[x_(i+j)] . W_j. With the table T_j = E W_j over the *distinct*
words of a batch that is a sum of h look-ups, whatever the length of the texts. Exact up to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from textcnn.nn.folding import fold


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
    """

    def __init__(self, *, dimension: int, region_sizes: tuple[int, ...], feature_maps: int, padding: str) -> None:
        super().__init__()
        self.region_sizes = region_sizes
        self.padding = padding
        # The region sizes side by side: slot j of region r is weight[:, sum(sizes before r) + j].
        self.weight = nn.Parameter(torch.empty(dimension, sum(region_sizes), feature_maps))
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
        maps = self.weight.shape[2]
        table = (words @ self.weight.flatten(1)).unflatten(1, (-1, maps))  # (U, S, F)
        margin = max(self.region_sizes) - 1
        layout = lay_out(ids, lengths, padding=len(words), margin=margin)  # (B, L + 2 margin)
        responses = []
        slot = 0
        for region, size in enumerate(self.region_sizes):
            counts = window_counts(lengths, size, self.padding)  # (B,)
            begin = margin - (size - 1) if self.padding == "wide" else margin
            total = sum_look_ups(table[:, slot : slot + size], layout[:, begin:], counts)  # (B, P, F)
            responses.append((total + self.bias[region], counts))
            slot += size
        return responses


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
        table = torch.einsum("ucd,cmfd->umfd", words, self.weight)  # (U, m, F, D)
        table = fold(table)  # (U, m, F, D / 2)
        layout = lay_out(ids, lengths, padding=len(words), margin=size - 1)  # (B, L + 2 (m - 1))
        counts = window_counts(lengths, size, "wide")  # (B,)
        total = sum_look_ups(table.flatten(2), layout, counts)  # (B, P, F D / 2)
        return total.unflatten(2, (maps, dimension // 2)), counts


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
