"""Convolution of the layers above the first, in batches of texts of several lengths.

Shapes: B texts, P positions (of the longest text), F feature maps.
"""

from __future__ import annotations

import torch
from torch import nn

from textcnn.nn._pooling import position_mask


class Convolution(nn.Conv1d):
    """A convolution that keeps the length: position i gets the window whose middle is i.

    A window of an even number h of positions has h / 2 before its middle.

    Args:
        below: F', maps of the input.
        maps: F, of the output.
        size: h, positions in a window.
    """

    def __init__(self, below: int, maps: int, size: int) -> None:
        super().__init__(below, maps, size, padding=size // 2)

    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return the responses to x, (B, P, F') to (B, P, F); zeros follow a text's `counts` (B,) positions in both."""
        responses = super().forward(x.transpose(1, 2)).transpose(1, 2)  # (B, P or, where h is even, P + 1, F)
        return without_padding(responses[:, : x.shape[1]], counts)  # (B, P, F)


def without_padding(x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return x, (B, P, F), with zeros after each text's `counts` (B,) positions."""
    return x.masked_fill(~position_mask(counts, x.shape[1])[:, :, None], 0.0)
