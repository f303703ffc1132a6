"""The forward pass of the deep pyramid CNN (`textcnn.nn.dpcnn`) over look-up tables."""

from __future__ import annotations

import numpy as np

from textcnn.inference.scorer import ACTIVATIONS, Scorer, first_largest
from textcnn.inference.upper_layers import Convolution, convolution, convolution_shapes, convolved
from textcnn.settings.config import DPCNNConfig


class DPCNNScorer(Scorer[DPCNNConfig]):
    """Region embeddings, blocks of two convolutions with a shortcut, and max pooling.

    Args:
        config: the network's settings.
        weights: its arrays by name.
    """

    def __init__(self, config: DPCNNConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights, region_sizes=config.region_sizes)
        self.activation = ACTIVATIONS[config.activation]
        self.blocks: list[tuple[Convolution, ...]] = [
            tuple(convolution(weights, f"deeper.{i}.{name}") for name in ("first", "second"))
            for i in range(config.blocks)
        ]

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
        length = ids.shape[1]
        regions = [
            (self.window_sums(ids, region) + bias)[:, (size - 1) // 2 :][:, :length]
            for region, (size, bias) in enumerate(zip(self.region_sizes, self.bias, strict=True))
        ]
        x = np.concatenate(regions, axis=2)  # (B, P, F)
        for number, block in enumerate(self.blocks):
            if number and x.shape[1] == 1:
                break  # nothing is left to halve
            if number:
                x = _halved(x)
            added = x
            for layer in block:
                added = convolved(self.activation(added.copy()), layer)
            x = x + added
        return first_largest([x])[0]


def _halved(x: np.ndarray) -> np.ndarray:
    """Return the largest of each three neighbouring values, every other position, (B, ceil(P / 2), F)."""
    count = -(-x.shape[1] // 2)
    padded = np.pad(x, ((0, 0), (0, 2), (0, 0)), constant_values=-np.inf)
    return np.maximum(np.maximum(padded[:, 0::2][:, :count], padded[:, 1::2][:, :count]), padded[:, 2::2][:, :count])
