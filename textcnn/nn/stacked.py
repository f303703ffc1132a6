"""A stack of convolutions with local max pooling between them under a final global pooling.

The form that convolutional networks have for images (LeCun et al. 1998, Gradient-based learning applied to document
recognition, section II), over the words of a text: each layer sees longer stretches of it than the one before.
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
    """Wide convolution, activation and local max pooling, layer on layer; the last layer pools over the whole text.

    What stands behind a text's end is zero in every layer, so that no score depends on a batch's padding.

    Args:
        config: settings.
        vocabulary_size: V, padding (id 0) and the unknown word (id 1) among them.
        classes: K.
        vectors: word vectors of the vocabulary, (V, D), for all channels but `rand`.
        ngrams: of the bag of n-grams, see `TextNetwork`.
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

    def penultimate(self, words: torch.Tensor, places: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """All layers, (B, features).

        Arguments as in `TextNetwork.penultimate`.
        """
        words = words.flatten(1)  # (U, C D)
        [(x, counts)] = self.convolution(words, places, lengths)  # (B, P, F1)
        x = self._activate(x, counts)
        for convolution, size in zip(self.deeper, self.config.region_sizes[1:], strict=True):
            x, counts = local_max_pool(x, counts, self.config.pool_size)  # (B, P / p, F)
            x = convolution(x.transpose(1, 2)).transpose(1, 2)  # (B, P / p + h - 1, F)
            counts = window_counts(counts, size, "wide")
            x = self._activate(x, counts)
        pool = max_pool if self.config.global_pooling == "max" else average_pool
        return pool(x, counts)  # (B, F)

    def _activate(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """The activation, and zeros again behind each text's end."""
        real = position_mask(counts, x.shape[1])[:, :, None]
        return ACTIVATIONS[self.config.activation](x).masked_fill(~real, 0.0)
