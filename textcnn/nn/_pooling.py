"""Pooling over the true length of each text, and folding.

Shapes: B texts, P positions (of the longest text), F feature maps. `counts` (B,) is the number of real positions of
each text; values after them are ignored. Ties go to the smaller index, and a text without positions pools to zeros.
"""

from __future__ import annotations

import torch


def position_mask(counts: torch.Tensor, positions: int) -> torch.Tensor:
    """Return a mask of the real positions, (B, P) bool, from the `counts` (B,) and P."""
    return torch.arange(positions, device=counts.device) < counts[:, None]


def max_pool(x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the largest response of each map: max-over-time pooling (Collobert et al. 2011; Kim 2014, section 2).

    Args:
        x: responses, (B, P, F).
        counts: real positions of each text, (B,).

    Returns:
        Maxima, (B, F).
    """
    positions = first_max(x.detach(), counts)[1]  # (B, F)
    values = x.gather(1, positions[:, None]).squeeze(1)  # (B, F)
    return torch.where(counts[:, None] > 0, values, 0.0)  # (B, F)


def first_max(x: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest response of each map and its first position, both (B, F); zeros for a text without positions.

    Args:
        x: responses, (B, P, F).
        counts: real positions of each text, (B,).
    """
    real = position_mask(counts, x.shape[1])[:, :, None]  # (B, P, 1)
    masked = x.masked_fill(~real, -torch.inf)  # (B, P, F)
    values = masked.amax(dim=1)  # (B, F)
    positions = torch.arange(x.shape[1], device=x.device)[:, None]  # (P, 1)
    last = max(x.shape[1] - 1, 0)  # the index where no value equals the maximum: it is NaN
    first = torch.where(masked == values[:, None], positions, last).amin(dim=1)  # (B, F)
    nonempty = counts[:, None] > 0  # (B, 1)
    return torch.where(nonempty, values, 0.0), torch.where(nonempty, first, 0)


def average_pool(x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the mean response of each map over the real positions.

    Args:
        x: responses, (B, P, F).
        counts: real positions of each text, (B,).

    Returns:
        Means, (B, F).
    """
    masked = x.masked_fill(~position_mask(counts, x.shape[1])[:, :, None], 0.0)  # (B, P, F)
    return masked.sum(dim=1) / counts.clamp(min=1)[:, None]  # (B, F)


def local_max_pool(x: torch.Tensor, counts: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest of every `size` neighbouring responses; the last group of a text may be smaller.

    Args:
        x: responses, (B, P, F).
        counts: real positions of each text, (B,).
        size: p, positions per group.

    Returns:
        Maxima, (B, ceil(P / p), F), zeros after a text's last group; and the number of groups of each text, (B,).
    """
    B, P, F = x.shape
    size = min(size, max(P, 1))  # no filler past one group
    real = position_mask(counts, P)[:, :, None]  # (B, P, 1)
    masked = x.masked_fill(~real, -torch.inf)  # (B, P, F)
    filler = masked.new_full((B, -P % size, F), -torch.inf)  # up to a multiple of p
    pooled = torch.cat([masked, filler], dim=1).unflatten(1, (-1, size)).max(dim=2).values  # (B, ceil(P / p), F)
    groups = (counts + size - 1) // size  # (B,)
    return pooled.masked_fill(~position_mask(groups, pooled.shape[1])[:, :, None], 0.0), groups


def k_max_pool(x: torch.Tensor, counts: torch.Tensor, k: int | torch.Tensor) -> torch.Tensor:
    """Return the k largest responses of each map, in the order of the text (Kalchbrenner et al. 2014, section 3.2).

    Deviation: the paper assumes at least k positions; here zeros follow the values of a shorter text.

    Args:
        x: responses, (B, P, F).
        counts: real positions of each text, (B,).
        k: number of values to keep: one for all texts, or one per text, (B,).

    Returns:
        Values, (B, K, F), with K the largest k.
    """
    B, P, F = x.shape
    k = torch.as_tensor(k, device=x.device).expand(B)  # (B,)
    K = int(k.max()) if B else 0
    masked = x.masked_fill(~position_mask(counts, P)[:, :, None], -torch.inf)  # (B, P, F)
    best = masked.sort(dim=1, descending=True, stable=True).indices[:, :K]  # (B, min(K, P), F)
    kept = position_mask(torch.minimum(k, counts), best.shape[1])  # (B, min(K, P))
    best = best.masked_fill(~kept[:, :, None], P).sort(dim=1).values  # index P: a zero
    best = torch.cat([best, best.new_full((B, K - best.shape[1], F), P)], dim=1)  # (B, K, F)
    return torch.cat([x, x.new_zeros(B, 1, F)], dim=1).gather(1, best)  # (B, K, F)


def fold(x: torch.Tensor) -> torch.Tensor:
    """Return the sums of rows 2i and 2i + 1, (..., D) to (..., D / 2) (Kalchbrenner et al. 2014, section 3.6)."""
    return x[..., 0::2] + x[..., 1::2]
