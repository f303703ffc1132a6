"""Gradient ascent on the input of a DCNN's second layer, whose responses are no sum over words.

From random word vectors, a step at a time, those are sought that excite one row of one second-layer map most, as
is done for filters of networks on images (Erhan et al. 2009, Visualizing Higher-Layer Features of a Deep Network). Each
vector stays within the ball of the vocabulary's median norm. What is found is no word; the nearest ones are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from textcnn.explain._network import as_network
from textcnn.inference.scorers import word_rows
from textcnn.settings.config import DCNNConfig
from textcnn.text.vocabulary import FIRST_WORD

if TYPE_CHECKING:
    import torch

    from textcnn.inference.predictor import Predictor
    from textcnn.nn.dcnn import DCNN

STEPS = 200
RATE = 0.1  # of the ball's radius
RESTARTS = 4


@dataclass(frozen=True)
class Wanted:
    """What a row of a second-layer map wants: its name, the nearest word at each position, and the response."""

    name: str
    words: tuple[str, ...]
    response: float
    start: float


def ascend(predictor: Predictor, *, most: int = 10, seed: int = 0) -> list[Wanted]:
    """The inputs that excite rows of the second layer most; of several starts the best.

    Args:
        predictor: a DCNN of two layers or more.
        most: how many rows: those of the largest softmax weights where the second layer is the last, else the first.
        seed: of the starts.

    Raises:
        ValueError: the model has no second layer of this kind.
    """
    import torch

    config = predictor.artifact.model
    if not isinstance(config, DCNNConfig) or len(config.region_sizes) < 2:
        raise ValueError("expected a DCNN of two layers or more, found another network")
    network = cast("DCNN", as_network(predictor.artifact))
    rows = word_rows(config, predictor.artifact.weights)[FIRST_WORD:]  # (V, C, D)
    norms = np.linalg.norm(rows.reshape(len(rows), -1), axis=1)
    radius = float(np.median(norms))
    places = _important(predictor)[:most]  # (map, row)
    length = sum(config.region_sizes[:2]) - 1
    count = len(places) * RESTARTS
    generator = torch.Generator().manual_seed(seed)
    words = torch.randn(count * length, *rows.shape[1:], generator=generator)
    words *= 0.1 * radius / words.flatten(1).norm(dim=1)[:, None, None]
    words.requires_grad_()
    maps, of_rows = (torch.tensor([place[i] for place in places]).repeat(RESTARTS) for i in (0, 1))
    start = None
    best = torch.zeros(count)
    for _ in range(STEPS):
        best = _second_layer(network, words, count, length, maps, of_rows)
        start = best.detach() if start is None else start
        [grad] = torch.autograd.grad(best.sum(), words)
        with torch.no_grad():
            words += RATE * radius * grad / grad.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
            words *= (radius / words.flatten(1).norm(dim=1).clamp(min=radius))[:, None, None]
    with torch.no_grad():
        best = _second_layer(network, words, count, length, maps, of_rows)
    scores = best.view(RESTARTS, -1).numpy()
    chosen = scores.argmax(axis=0)
    found = words.detach().view(RESTARTS, len(places), length, -1).numpy()
    unit = rows.reshape(len(rows), -1) / np.maximum(norms, 1e-12)[:, None]
    starts = cast("torch.Tensor", start).view(RESTARTS, -1).numpy()
    return [
        Wanted(
            f"map {feature_map}, row {row}",
            tuple(predictor.artifact.words[i] for i in (found[chosen[n], n] @ unit.T).argmax(axis=1)),
            float(scores[chosen[n], n]),
            float(starts[chosen[n], n]),
        )
        for n, (feature_map, row) in enumerate(places)
    ]


def _second_layer(
    network: DCNN, words: torch.Tensor, count: int, length: int, maps: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor:
    """The largest response of each input's own map and row, before pooling, (B,)."""
    import torch

    lengths = torch.full((count,), length)
    places = torch.arange(count * length, dtype=torch.int32)
    x, counts = network.convolution(words, places, lengths)
    x, counts = network.pool(x, counts, lengths, 1)
    x = network.deeper[0](x, counts)  # (B, P, F, D / 4)
    return x[torch.arange(count), :, maps, rows].max(dim=1).values


def _important(predictor: Predictor) -> list[tuple[int, int]]:
    """Maps and rows of the second layer by their softmax weights, where that is the last layer."""
    config = cast("DCNNConfig", predictor.artifact.model)
    maps, rows = config.feature_maps[1], config.dimension // 4
    places = [(i, j) for i in range(maps) for j in range(rows)]
    if len(config.region_sizes) > 2:
        return places
    weights = predictor.artifact.weights["softmax.weight"].reshape(-1, config.k_top, maps, rows)
    strength = np.abs(weights - weights.mean(axis=0)).sum(axis=(0, 1)).ravel()
    return [places[i] for i in np.argsort(-strength, kind="stable")]
