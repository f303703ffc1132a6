"""Gradient ascent on the input of a layer above the first, whose responses are not a sum over words.

Starting from random word vectors, it looks for those that excite one map of the layer most, as is done for the filters
of image networks (Erhan et al. 2009, Visualizing Higher-Layer Features of a Deep Network). Each vector stays within a
ball whose radius is the median norm of the vocabulary's vectors. The vectors found belong to no word; the nearest words
are reported, from the first to the last that has an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from textcnn.explain._torch_network import as_network
from textcnn.inference.scorer import word_rows
from textcnn.text.vocabulary import FIRST_WORD

if TYPE_CHECKING:
    import torch

    from textcnn.inference.predictor import Predictor
    from textcnn.nn.base import TextNetwork

STEPS = 200
RATE = 0.1  # length of a step, in radii of the ball
RESTARTS = 4
ANY = "*"


@dataclass(frozen=True)
class Optimum:
    """The input found for a map.

    Attributes:
        words: the nearest word at each position, `ANY` where the word has no effect, as pooling takes others.
        response: to the vectors found.
    """

    words: tuple[str, ...]
    response: float


def ascend(predictor: Predictor, layer: int, maps: Sequence[int], longest: int, *, seed: int = 0) -> list[Optimum]:
    """Return the inputs that excite maps of a layer most, the best of several starts for each.

    An input has the words of the first receptive field that none exceeds, and those before it. The response is the
    largest of those with such a field; under k-max pooling, which brings windows from all over the text together, of
    all.

    Args:
        predictor: the model.
        layer: above the first, at most the scorer's `depth`.
        maps: their indices; of a DCNN those of the rows of all maps.
        longest: words of an input at most, at least the scorer's `shortest`.
        seed: of the random starts.

    Raises:
        ConfigError: torch is not installed.
    """
    scorer, network = predictor.scorer, as_network(predictor.artifact)
    fields = scorer.fields(layer, longest)
    length = int(fields.ends[fields.widest[0]].max())
    places = slice(None) if scorer.row_layers else scorer.fields(layer, length).widest
    rows = word_rows(predictor.artifact.model, predictor.artifact.weights)[FIRST_WORD:]  # (V, C, D)
    flat = rows.reshape(len(rows), -1)
    norms = np.linalg.norm(flat, axis=1)
    radius, shape = float(np.median(norms)), (length, *rows.shape[1:])
    found, grads, responses = _climb(network, layer, places, maps, shape, radius, seed)
    unit = flat / np.maximum(norms, 1e-12)[:, None]
    optima = []
    for n, best in enumerate(responses.argmax(axis=0)):
        heard = grads[best, n].any(axis=1)  # (L,)
        first, last = (int(np.flatnonzero(heard)[i]) for i in (0, -1)) if heard.any() else (0, -1)
        nearest = (found[best, n] @ unit.T).argmax(axis=1)  # (L,)
        words = tuple(predictor.artifact.words[nearest[i]] if heard[i] else ANY for i in range(first, last + 1))
        optima.append(Optimum(words, float(responses[best, n])))
    return optima


def _climb(
    network: TextNetwork,
    layer: int,
    places: slice | np.ndarray,
    maps: Sequence[int],
    shape: tuple[int, ...],
    radius: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run gradient ascent from `RESTARTS` random starts for each of N maps.

    Args:
        network: of several layers.
        layer: which of them.
        places: positions whose responses count.
        maps: indices of its maps.
        shape: of an input, (L, C, D).
        radius: bound on the norm of a word's row.
        seed: of the random starts.

    Returns:
        The inputs found and the gradients there, (restarts, N, L, C D), and the responses to them, (restarts, N).
    """
    import torch

    length, numbers = shape[0], torch.tensor(maps).repeat(RESTARTS)
    words = torch.randn(len(numbers) * length, *shape[1:], generator=torch.Generator().manual_seed(seed))
    words *= 0.1 * radius / words.flatten(1).norm(dim=1)[:, None, None]
    words.requires_grad_()
    for step in range(STEPS + 1):
        responses = _responses(network, layer, places, words, numbers)
        [grad] = torch.autograd.grad(responses.sum(), words)
        if step == STEPS:
            break
        with torch.no_grad():
            words += RATE * radius * grad / grad.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
            words *= (radius / words.flatten(1).norm(dim=1).clamp(min=radius))[:, None, None]
    found, grads = (x.detach().view(RESTARTS, len(maps), length, -1).numpy() for x in (words, grad))
    return found, grads, responses.detach().view(RESTARTS, -1).numpy()


def _responses(
    network: TextNetwork, layer: int, places: slice | np.ndarray, words: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """Return the largest response of each input's own map, (B,).

    Args:
        network: of several layers.
        layer: which of them.
        places: positions whose responses count.
        words: of the inputs, one after the other, (B L, C, D).
        numbers: each input's map, (B,).
    """
    import torch

    count = len(numbers)
    inverse, lengths = torch.arange(len(words), dtype=torch.int32), torch.full((count,), len(words) // count)
    [(x, _)] = islice(network.layers(words, inverse, lengths), layer - 1, layer)  # (B, P, F) or (B, P, F, D)
    return x.flatten(2)[torch.arange(count), :, numbers][:, places].max(dim=1).values
