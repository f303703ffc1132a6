"""The forward pass of stacked convolutions (`textcnn.nn.stacked`) over look-up tables."""

from __future__ import annotations

import numpy as np

from textcnn.inference.scorer import ACTIVATIONS, Scorer
from textcnn.settings.config import StackedConfig


class StackedScorer(Scorer[StackedConfig]):
    """Wide convolutions with local max pooling between them and global pooling on top.

    Args:
        config: the network's settings.
        weights: its arrays by name.
    """

    def __init__(self, config: StackedConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights)
        layers = range(len(config.region_sizes) - 1)
        # (h, F', F) and (F,) of each deeper layer
        self.deeper = [(weights[f"deeper.{i}.weight"].transpose(2, 1, 0), weights[f"deeper.{i}.bias"]) for i in layers]
        self.activation = ACTIVATIONS[config.activation]

    @staticmethod
    def weight_shapes(config: StackedConfig) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the convolutions' arrays."""
        sizes, maps = config.region_sizes, config.feature_maps
        shapes: dict[str, tuple[int, ...]] = {
            "convolution.weight": (sizes[0], maps[0], config.dimension * config.channel_count),
            "convolution.bias": (1, maps[0]),
        }
        for layer in range(1, len(sizes)):
            shapes[f"deeper.{layer - 1}.weight"] = (maps[layer], maps[layer - 1], sizes[layer])
            shapes[f"deeper.{layer - 1}.bias"] = (maps[layer],)
        return shapes

    def penultimate(self, ids: np.ndarray) -> np.ndarray:
        """Return the pooled last layer of texts of one length, (B, L) to (B, F)."""
        x = self.activation(self.window_sums(ids) + self.bias[0])  # (B, P, F)
        for filters, bias in self.deeper:
            x = self._local_max(x)
            margin = len(filters) - 1
            padded = np.pad(x, ((0, 0), (margin, margin), (0, 0)))
            windows = x.shape[1] + margin
            x = sum(padded[:, j : j + windows] @ filters[j] for j in range(len(filters)))
            x = self.activation(x + bias)
        return x.max(axis=1) if self.config.global_pooling == "max" else x.mean(axis=1)

    def _local_max(self, x: np.ndarray) -> np.ndarray:
        """Return the maxima of each `pool_size` neighbours, (B, P, F) to (B, ceil(P / size), F)."""
        size = min(self.config.pool_size, x.shape[1])  # no filler past one group
        filler = np.full((len(x), -x.shape[1] % size, x.shape[2]), -np.inf, dtype=np.float32)
        return np.concatenate([x, filler], axis=1).reshape(len(x), -1, size, x.shape[2]).max(axis=2)
