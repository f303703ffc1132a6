"""Any other network: integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365).

A word's part of a logit is the sum over its row x of x times the mean gradient on the straight path from zeros, the
row of an unknown word, to x, for all words of the text at once. The parts add up to the difference between the text's
logits and those of as many unknown words, up to the error of the numerical mean: the number of points is doubled until
that error is small or the parts no longer change, and the remaining gap is reported. A DCNN's logits jump where k-max
pooling switches to another position, which no gradient sees: there a gap remains, whatever the number of points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from textcnn.explain._torch_network import as_network
from textcnn.text.tokens import Encoded

if TYPE_CHECKING:
    import torch

    from textcnn.inference.predictor import Predictor
    from textcnn.nn.base import TextNetwork

POINTS = (16, 32, 64, 128, 256)
ENOUGH = 0.01  # of a logit
SETTLED = 0.01  # of a logit, summed over the words' changes
MOST = 1 << 14  # words of all points together, so that a long text gets few points
AT_ONCE = 1 << 14  # words scored together, over all copies of a text


def integrate(predictor: Predictor, text: Encoded) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts of one text's logits, without the bag of n-grams.

    Args:
        predictor: the model.
        text: its word ids, L of them.

    Returns:
        The words' parts, (L, K), and the logits of as many unknown words, (K,).
    """
    network, ids = as_network(predictor.artifact), text.ids
    import torch  # once it is known to be there

    rows = torch.from_numpy(predictor.scorer.beside(text.unseen).table.word_rows(ids))  # (L, C, D)
    both = torch.stack([torch.zeros_like(rows), rows])
    with torch.no_grad():
        at_zero, at_text = _logits(network, both)  # (K,), (K,)
    wanted = (at_text - at_zero).double().numpy()
    parts = np.zeros((len(ids), len(wanted)))
    for points in POINTS if len(ids) else ():
        if points > POINTS[0] and points * len(ids) > MOST:
            break
        before, parts = parts, _parts(network, rows, points)
        gap, moved = np.abs(parts.sum(axis=0) - wanted).max(), np.abs(parts - before).sum(axis=0).max()
        if gap < ENOUGH or (points > POINTS[0] and moved < SETTLED):
            break
    return parts, at_zero.double().numpy()


def _logits(network: TextNetwork, rows: torch.Tensor) -> torch.Tensor:
    """Return the logits (B, K) of B scaled copies of a text's rows, (B, L, C, D)."""
    import torch

    copies, length = rows.shape[:2]
    inverse = torch.arange(copies * length, dtype=torch.int32)
    penultimate = network.penultimate(rows.flatten(0, 1), inverse, torch.full((copies,), length))
    logits: torch.Tensor = network.softmax(penultimate)
    return logits


def _parts(network: TextNetwork, rows: torch.Tensor, points: int) -> np.ndarray:
    """Return row times mean gradient at the midpoints of `points` equal pieces of the path, (L, K)."""
    import torch

    classes = network.softmax.out_features
    total = torch.zeros(classes, *rows.shape, dtype=torch.float64)
    at_once = max(1, AT_ONCE // len(rows))
    for begin in range(0, points, at_once):
        middles = (torch.arange(begin, min(begin + at_once, points)) + 0.5) / points
        x = (middles[:, None, None, None] * rows).requires_grad_()  # (B, L, C, D)
        logits = _logits(network, x).sum(dim=0)  # (K,)
        for k in range(classes):
            [grad] = torch.autograd.grad(logits[k], x, retain_graph=k + 1 < classes)
            total[k] += grad.double().sum(dim=0)
    parts: np.ndarray = (total / points * rows).sum(dim=(2, 3)).T.numpy()
    return parts
