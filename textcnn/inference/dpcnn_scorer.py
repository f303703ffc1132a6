"""The forward pass of the deep pyramid CNN (`textcnn.nn.dpcnn`) over look-up tables."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

import numpy as np

from textcnn.inference.scorer import ACTIVATIONS, Scorer, by_length, first_largest
from textcnn.inference.upper_layers import Convolution, Fields, convolution, convolution_shapes, convolved
from textcnn.settings.config import DPCNNConfig
from textcnn.text.tokens import Encoded


class DPCNNScorer(Scorer[DPCNNConfig]):
    """Region embeddings, blocks of two convolutions with a shortcut, and max pooling.

    Args:
        config: the network's settings.
        weights: its arrays by name.
    """

    max_pooled = True

    def __init__(self, config: DPCNNConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights, region_sizes=config.region_sizes)
        self.activation = ACTIVATIONS[config.activation]
        self.blocks: list[tuple[Convolution, ...]] = [
            tuple(convolution(weights, f"deeper.{i}.{name}") for name in ("first", "second"))
            for i in range(config.blocks)
        ]
        self.depth = 1 + 2 * config.blocks

    @staticmethod
    def weight_shapes(config: DPCNNConfig) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the convolutions' arrays."""
        shapes: dict[str, tuple[int, ...]] = {
            "convolution.weight": (
                *(sum(config.region_sizes), config.feature_maps, config.dimension * config.channel_count),
            ),
            "convolution.bias": (len(config.region_sizes), config.feature_maps),
        }
        for i in range(config.blocks):
            for name in ("first", "second"):
                shapes |= convolution_shapes(f"deeper.{i}.{name}", config.features, config.features, 3)
        return shapes

    def penultimate(self, ids: np.ndarray) -> np.ndarray:
        """Return the largest values of the last block's maps of texts of one length, (B, L) to (B, F)."""
        [x] = deque(self._layers(ids), maxlen=1)
        return first_largest([x])[0]

    def largest_windows(self, texts: Encoded, *, positions: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return each text's largest region of every filter, without bias, of those whose middle is a word.

        Arguments and result as in `Scorer.largest_windows`.
        """
        largest = np.zeros((len(texts.lengths), self.bias.size), np.float32)
        begins = np.zeros(largest.shape, np.int32)
        middles = np.repeat(np.array(self.region_sizes) // 2, self.bias.shape[1])  # (F,)
        for rows, ids in by_length(texts):
            largest[rows], at = first_largest([self._centred_sums(ids)])
            begins[rows] = at - middles
        return largest, begins

    def layer_blocks(self, ids: np.ndarray, layer: int) -> Iterator[np.ndarray]:
        """Yield the responses of a layer, (B, P, F), word ids (B, L): the region embedding, then each convolution.

        The second convolution of a block has its shortcut added.
        """
        return islice(self._layers(ids), layer - 1, layer)

    def fields(self, layer: int, length: int) -> Fields:
        """Return the receptive fields of a layer's positions, (P,), in a text of `length` words."""
        found = Fields.of_words(length).centred(max(self.region_sizes))
        for number in range(layer - 1):
            if number and number % 2 == 0:
                found = found.pooled(3, 2)
            found = found.centred(3)
        return found

    def shortest(self, layer: int) -> int:
        """Return the number of words of the shortest text that reaches a layer: a single position is not halved."""
        block = (layer - 2) // 2
        return 2 ** (block - 1) + 1 if block > 0 else 1

    def _layers(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the responses of each layer that the texts reach, (B, P, F)."""
        x = self._centred_sums(ids) + self.bias.ravel()
        yield x
        for number, (first, second) in enumerate(self.blocks):
            if number and x.shape[1] == 1:
                break  # nothing is left to halve
            if number:
                x = _halved(x)
            inner = convolved(self.activation(x.copy()), first)
            yield inner
            x = x + convolved(self.activation(inner), second)
            yield x

    def _centred_sums(self, ids: np.ndarray) -> np.ndarray:
        """Return the sum of look-ups of the windows whose middle is a word, word ids (B, L) to (B, L, F)."""
        regions = [
            self.window_sums(ids, region)[:, (size - 1) // 2 :][:, : ids.shape[1]]
            for region, size in enumerate(self.region_sizes)
        ]
        return np.concatenate(regions, axis=2)


def _halved(x: np.ndarray) -> np.ndarray:
    """Return the largest of each three neighbouring values, every other position, (B, ceil(P / 2), F)."""
    count = -(-x.shape[1] // 2)
    padded = np.pad(x, ((0, 0), (0, 2), (0, 0)), constant_values=-np.inf)
    return np.maximum(np.maximum(padded[:, 0::2][:, :count], padded[:, 1::2][:, :count]), padded[:, 2::2][:, :count])
