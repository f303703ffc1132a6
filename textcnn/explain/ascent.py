"""Gradient ascent on the input of a DCNN's second layer, whose responses are not a sum over words.

Starting from random word vectors, it looks for those that excite one row of one second-layer map most, as is done for
the filters of image networks (Erhan et al. 2009, Visualizing Higher-Layer Features of a Deep Network). Each vector
stays within a ball whose radius is the median norm of the vocabulary's vectors. The vectors found belong to no word;
the nearest words are reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from textcnn.errors import ConfigError
from textcnn.explain._torch_network import as_network
from textcnn.inference.scorer import Scorer, word_rows
from textcnn.text.vocabulary import FIRST_WORD

if TYPE_CHECKING:
    import torch

    from textcnn.inference.predictor import Predictor
    from textcnn.nn.dcnn import DCNN

STEPS = 200
RATE = 0.1  # length of a step, in radii of the ball
RESTARTS = 4


@dataclass(frozen=True)
class Optimum:
    """The input found for a row of a second-layer map.

    Attributes:
        name: map and row.
        words: the nearest word at each position.
        response: to the vectors found.
        start: response to the first of the random starts.
    """

    name: str
    words: tuple[str, ...]
    response: float
    start: float


def ascend(predictor: Predictor, *, most: int = 10, seed: int = 0) -> list[Optimum]:
    """Return the inputs that excite rows of the second layer most, the best of several starts for each.

    Args:
        predictor: a DCNN of two layers or more.
        most: how many rows: those of the largest softmax weights where the second layer is the last, else the first.
        seed: of the random starts.

    Raises:
        ConfigError: the model has no second layer of this kind.
    """
    if predictor.scorer.row_layers < 2:
        raise ConfigError("expected a DCNN of two layers or more, found another network")
    network = cast("DCNN", as_network(predictor.artifact))
    rows = word_rows(predictor.artifact.model, predictor.artifact.weights)[FIRST_WORD:]  # (V, C, D)
    flat = rows.reshape(len(rows), -1)
    norms = np.linalg.norm(flat, axis=1)
    places = _important(network, predictor.scorer)[:most]  # map and row
    found, responses, starts = _climb(network, places, rows.shape[1:], float(np.median(norms)), seed)
    best = responses.argmax(axis=0)  # of the restarts, for each place
    unit = flat / np.maximum(norms, 1e-12)[:, None]
    return [
        Optimum(
            name=f"map {feature_map}, row {row}",
            words=tuple(predictor.artifact.words[i] for i in (found[best[n], n] @ unit.T).argmax(axis=1)),
            response=float(responses[best[n], n]),
            start=float(starts[best[n], n]),
        )
        for n, (feature_map, row) in enumerate(places)
    ]


def _climb(
    network: DCNN, places: list[tuple[int, int]], shape: tuple[int, ...], radius: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run gradient ascent from `RESTARTS` random starts for each of N places.

    Args:
        network: a DCNN.
        places: map and row of the second layer.
        shape: of a word's row, (C, D).
        radius: bound on the norm of a word's row.
        seed: of the random starts.

    Returns:
        The inputs found, (restarts, N, words, C D), the responses to them, and those to the starts, (restarts, N) both.
    """
    import torch

    length = sum(network.config.region_sizes[:2]) - 1
    count = len(places) * RESTARTS
    words = torch.randn(count * length, *shape, generator=torch.Generator().manual_seed(seed))
    words *= 0.1 * radius / words.flatten(1).norm(dim=1)[:, None, None]
    words.requires_grad_()
    maps, rows = (torch.tensor([place[i] for place in places]).repeat(RESTARTS) for i in (0, 1))
    responses = start = _second_layer(network, words, count, length, maps, rows)
    for _ in range(STEPS):
        [grad] = torch.autograd.grad(responses.sum(), words)
        with torch.no_grad():
            words += RATE * radius * grad / grad.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
            words *= (radius / words.flatten(1).norm(dim=1).clamp(min=radius))[:, None, None]
        responses = _second_layer(network, words, count, length, maps, rows)
    found = words.detach().view(RESTARTS, len(places), length, -1).numpy()
    ends, starts = (x.detach().view(RESTARTS, -1).numpy() for x in (responses, start))
    return found, ends, starts


def _second_layer(
    network: DCNN, words: torch.Tensor, count: int, length: int, maps: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor:
    """Return the largest response of each input's own map and row, before pooling, (B,)."""
    import torch

    lengths = torch.full((count,), length)
    inverse = torch.arange(count * length, dtype=torch.int32)
    x, counts = network.convolution(words, inverse, lengths)
    x, _ = network.pool(x, counts, lengths, 1)
    x = network.deeper[0](x)  # (B, P, F, D / 4)
    return x[torch.arange(count), :, maps, rows].max(dim=1).values


def _important(network: DCNN, scorer: Scorer) -> list[tuple[int, int]]:
    """Return maps and rows of the second layer, by their softmax weights where it is the last layer."""
    maps, rows = network.biases[1].shape
    places = [(i, j) for i in range(maps) for j in range(rows)]
    if scorer.row_layers > 2:
        return places
    weights = scorer.softmax_weight.reshape(-1, network.config.k_top, maps, rows)
    strength = np.abs(weights - weights.mean(axis=0)).sum(axis=(0, 1)).ravel()
    return [places[i] for i in np.argsort(-strength, kind="stable")]
