"""A stack of convolutions with local max pooling between them and global pooling at the end.

The layout of convolutional networks for images (LeCun et al. 1998, Gradient-Based Learning Applied to Document
Recognition, section II), over the words of a text: each layer sees longer stretches of it than the one below.
"""

from __future__ import annotations

import torch
from torch import nn

from textcnn.nn._pooling import average_pool, local_max_pool, max_pool, position_mask
from textcnn.nn.base import TextNetwork
from textcnn.nn.kim import ACTIVATIONS
from textcnn.nn.lookup import LookupConvolution, window_counts
from textcnn.settings.config import StackedConfig


class StackedCNN(TextNetwork):
    """Layers of wide convolution, activation and local max pooling; the last one pools over the whole text.

    Values after a text's end are zero in every layer, so that no score depends on the padding of a batch.

    Deviations from LeCun et al.: one-dimensional convolutions over words; maxima instead of scaled averages with
    trained coefficients; each map is connected to all maps below; global pooling instead of hidden layers.

    Arguments and errors as in `TextNetwork`.
    """

    config: StackedConfig

    def __init__(
        self,
        config: StackedConfig,
        *,
        vocabulary_size: int,
        classes: int,
        vectors: torch.Tensor | None = None,
        ngrams: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        super().__init__(config, vocabulary_size=vocabulary_size, classes=classes, vectors=vectors, ngrams=ngrams)
        self.convolution = LookupConvolution(
            dimension=self.channels.count * config.dimension,
            region_sizes=config.region_sizes[:1],
            feature_maps=config.feature_maps[0],
            padding="wide",
        )
        self.deeper = nn.ModuleList(
            nn.Conv1d(before, maps, size, padding=size - 1)
            for before, maps, size in zip(
                config.feature_maps, config.feature_maps[1:], config.region_sizes[1:], strict=False
            )
        )

    def penultimate(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the pooled maps of the last layer, (B, F).

        Arguments as in `TextNetwork.penultimate`.
        """
        words = words.flatten(1)  # (U, C D)
        [(x, counts)] = self.convolution(words, inverse, lengths)  # (B, P, F1), (B,)
        x = self._activate(x, counts)  # (B, P, F1)
        for convolution, size in zip(self.deeper, self.config.region_sizes[1:], strict=True):
            x, counts = local_max_pool(x, counts, self.config.pool_size)  # (B, ceil(P / p), F'), (B,)
            x = convolution(x.transpose(1, 2)).transpose(1, 2)  # (B, ceil(P / p) + h - 1, F)
            counts = window_counts(counts, size, "wide")  # (B,)
            x = self._activate(x, counts)  # (B, ceil(P / p) + h - 1, F)
        pool = max_pool if self.config.global_pooling == "max" else average_pool
        return pool(x, counts)  # (B, F)

    def _activate(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Apply the activation to x, (B, P, F), and put zeros after each text's end."""
        real = position_mask(counts, x.shape[1])[:, :, None]  # (B, P, 1)
        return ACTIVATIONS[self.config.activation](x).masked_fill(~real, 0.0)  # (B, P, F)
