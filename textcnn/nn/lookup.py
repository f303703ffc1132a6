"""The look-up convolution: a convolution over word vectors as a sum of table look-ups.

A window of h words scores sum_j E[x_(i+j)] . W_j. With the table T_j = E W_j over the *distinct*
words of a batch that is a sum of h look-ups, whatever the length of the texts. Exact up to rounding.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


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
        slots, maps = self.weight.shape[1:]
        table = words @ self.weight.flatten(1)  # (U, S F)
        table = F.pad(table, (0, 0, 0, 1)).view(-1, maps)  # ((U + 1) S, F), the last word is padding
        margin = max(self.region_sizes) - 1
        layout = lay_out(ids, lengths, padding=len(words), margin=margin) * slots  # (B, L + 2 margin)
        responses = []
        slot = 0
        for region, size in enumerate(self.region_sizes):
            counts = window_counts(lengths, size, self.padding)  # (B,)
            windows = max(int(counts.max()), 1) if len(counts) else 1  # P
            begin = margin - (size - 1) if self.padding == "wide" else margin
            total = self.bias[region].expand(len(lengths), windows, maps)  # (B, P, F)
            for j in range(size):
                places = layout[:, begin + j : begin + j + windows]  # (B, P)
                total = total + F.embedding(places + (slot + j), table)  # (B, P, F)
            responses.append((total, counts))
            slot += size
        return responses


def lay_out(ids: torch.Tensor, lengths: torch.Tensor, *, padding: int, margin: int) -> torch.Tensor:
    """Flat ids as one row a text, `padding` on both sides and behind the shorter texts, (B, L + 2 margin)."""
    longest = max(int(lengths.max()), 1) if len(lengths) else 1
    layout = ids.new_full((len(lengths), longest + 2 * margin), padding)
    real = torch.arange(longest, device=ids.device) < lengths[:, None]  # (B, L)
    layout[:, margin : margin + longest][real] = ids
    return layout
