"""Folding (Kalchbrenner et al. 2014, section 3.4)."""

from __future__ import annotations

import torch


def fold(x: torch.Tensor) -> torch.Tensor:
    """Rows 2i and 2i + 1 summed, (..., D) to (..., D / 2)."""
    return x[..., 0::2] + x[..., 1::2]
