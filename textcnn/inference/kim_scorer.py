"""The forward pass of Kim's network (2014, section 2) over look-up tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from textcnn import kernels
from textcnn.inference.scorer import ACTIVATIONS, Scorer, Terms, first_largest, k_largest, k_max, mean
from textcnn.settings.config import KimConfig
from textcnn.text.tokens import Encoded


class KimScorer(Scorer[KimConfig]):
    """Kim's network; with ReLU or no activation its logits are an exact sum over windows.

    Args:
        config: the network's settings.
        weights: its arrays by name.
    """

    def __init__(self, config: KimConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights, region_sizes=config.region_sizes, wide=config.padding == "wide")
        self.activation = ACTIVATIONS[config.activation]
        self.exact = config.activation in ("relu", "identity")
        self.max_pooled = config.pooling == "max"

    @staticmethod
    def weight_shapes(config: KimConfig) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the convolution's arrays."""
        columns = config.dimension * config.channel_count
        return {
            "convolution.weight": (sum(config.region_sizes), config.feature_maps, columns),
            "convolution.bias": (len(config.region_sizes), config.feature_maps),
        }

    @staticmethod
    def table_scale_shape(config: KimConfig) -> tuple[int, int] | None:
        """Return (R, F) with max pooling: what other pooling takes of whole numbers is no faster."""
        if config.pooling != "max" or max(config.region_sizes) > kernels.MOST_CODES:
            return None
        return len(config.region_sizes), config.feature_maps

    def logits(self, texts: Encoded) -> np.ndarray:
        """Return the logits of N texts, (N, K) float32."""
        if not kernels.compiled or self.config.pooling != "max" or not self.table.fits(texts.ids):
            return super().logits(texts)
        sizes = np.array(self.region_sizes, np.int32)
        network: dict[str, Any] = {
            "wide": self.wide,
            "bias": self.bias,
            "activation": self.config.activation,
            "weights": self.softmax_weight,
            "weights_bias": self.softmax_bias,
        }
        if self.table.bits == 32:
            table, rows = self.table.look_up(texts.ids)
            return kernels.max_logits(table, rows, texts.offsets, sizes, **network)
        table, rows = self.table.look_up_codes(texts.ids)
        return kernels.code_logits(table, self.scales, rows, texts.offsets, sizes, **network)

    def features(self, texts: Encoded) -> np.ndarray:
        """Return the penultimate layer of N texts, (N, R F) or (N, R k F) float32; zeros for a text without words."""
        if self.config.pooling != "max":
            return super().features(texts)
        largest, _ = self.largest_windows(texts, positions=False)
        features = self.activation(largest + self.bias.ravel())  # all activations are increasing
        features[texts.lengths == 0] = 0
        return features

    def penultimate(self, ids: np.ndarray) -> np.ndarray:
        """Return the features of texts of one length, (B, L) to (B, R F), or (B, R k F) with k-max pooling."""
        return np.concatenate([self._pool(self._blocks(ids, r)) for r in range(len(self.region_sizes))], axis=1)

    def _blocks(self, ids: np.ndarray, region: int) -> Iterator[np.ndarray]:
        """Yield what `responses` returns in blocks (B, P', F)."""
        for sums in self.window_blocks(ids, region):
            yield self.activation(sums + self.bias[region])

    def responses(self, ids: np.ndarray, region: int) -> np.ndarray:
        """Return the response of every window of one region size, after bias and activation, (B, L) to (B, P, F)."""
        return self.activation(self.window_sums(ids, region) + self.bias[region])

    def kept(self, responses: np.ndarray) -> np.ndarray:
        """Return the windows that pooling takes of the responses (B, P, F), in order; (B, P, F) for average pooling."""
        if self.config.pooling == "max":
            return responses.argmax(axis=1)[:, None]  # (B, 1, F)
        if self.config.pooling == "k-max":
            return k_max(responses, self.config.k)[1]  # (B, min(k, P), F)
        return np.broadcast_to(np.arange(responses.shape[1])[:, None], responses.shape)

    def _pool(self, responses: Iterable[np.ndarray]) -> np.ndarray:
        """Pool the responses of one region size, in blocks (B, P', F), to (B, F) or (B, k F)."""
        if self.config.pooling == "max":
            return first_largest(responses)[0]
        if self.config.pooling == "average":
            return mean(responses)
        values, _ = k_largest(responses, self.config.k)
        missing = self.config.k - values.shape[1]
        return np.pad(values, ((0, 0), (0, missing), (0, 0))).reshape(len(values), -1)

    def terms(self, ids: np.ndarray) -> list[Terms]:
        """Return the windows that pooling takes of one text (L,), for each region size.

        With ReLU a feature whose response is not positive adds nothing, nor does its bias: it is left out.
        """
        classes, maps = len(self.softmax_bias), self.config.feature_maps
        average = self.config.pooling == "average"
        by_region = self.softmax_weight.reshape(classes, len(self.region_sizes), -1, maps)  # (K, R, k, F)
        found = []
        for region in range(len(self.region_sizes)):
            responses = self.responses(ids[None], region)  # (1, P, F)
            kept = self.kept(responses)[0]  # (k, F)
            values = np.take_along_axis(responses[0], kept, axis=0).ravel()
            weights = by_region[:, region].astype(np.float64)  # (K, k, F)
            if average:
                weights = np.broadcast_to(weights / len(kept), (classes, *kept.shape))
            weights = weights[:, : len(kept)].reshape(classes, -1).T  # (M, K)
            active = values > 0 if self.config.activation == "relu" else np.ones(len(values), bool)
            of_maps = np.broadcast_to(np.arange(maps), kept.shape).ravel()
            found.append(Terms(kept.ravel()[active], of_maps[active], values[active], weights[active], average))
        return found
