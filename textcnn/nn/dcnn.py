"""Kalchbrenner, Grefenstette and Blunsom (2014), A Convolutional Neural Network for Modelling Sentences, 1404.2188."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from textcnn.nn import functions
from textcnn.nn._pooling import fold, k_max_pool, position_mask
from textcnn.nn.base import TextNetwork
from textcnn.nn.lookup import RowLookupConvolution, window_counts
from textcnn.settings.config import DCNNConfig


def dynamic_k(lengths: torch.Tensor, layer: int, layers: int, k_top: int) -> torch.Tensor:
    """How many values the pooling of a layer keeps (section 3.3): k_l = max(k_top, ceil((L - l) / L * s)).

    Args:
        lengths: s, words of each text, (B,).
        layer: l, from 1.
        layers: L; the last one keeps k_top.
        k_top: the k of the last layer.

    Returns:
        k for each text, (B,).
    """
    share = -(-((layers - layer) * lengths) // layers)  # the ceiling, in whole numbers
    return share.clamp(min=k_top)


class FoldedRowConvolution(nn.Module):
    """Wide one-dimensional convolution of each row by itself, a full sum over the maps before, and folding (section 3).

    Args:
        rows: D, even.
        region_size: m.
        maps_before: F', the maps of the layer before.
        feature_maps: F.
    """

    def __init__(self, *, rows: int, region_size: int, maps_before: int, feature_maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, feature_maps, maps_before, region_size))
        bound = math.sqrt(6 / (region_size * (maps_before + feature_maps)))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Responses, (B, P, F', D) to (B, P + m - 1, F, D / 2); behind a text's `counts` x must be zero."""
        if functions.usable(x, self.weight):
            return functions.FoldedRows.apply(x, counts, self.weight.permute(1, 3, 2, 0))
        rows, maps, _, size = self.weight.shape
        x = x.permute(0, 3, 2, 1).flatten(1, 2)  # (B, D F', P)
        x = F.conv1d(x, self.weight.flatten(0, 1), padding=size - 1, groups=rows)  # (B, D F, P + m - 1)
        return fold(x.unflatten(1, (rows, maps)).permute(0, 3, 2, 1))  # (B, P + m - 1, F, D / 2)


class DCNN(TextNetwork):
    """The paper's network on flat ids and lengths: blocks of wide convolution, folding, dynamic k-max, bias and tanh.

    The first convolution is row by row and folding is linear, so both are in the table of a look-up
    convolution. A text's k comes from its own length, never from a batch's padding. Where a text has
    fewer values than its k, zeros follow them, and the next layer sees only the values.

    Args:
        config: settings; the defaults are the paper's for SST-2.
        vocabulary_size: V, padding (id 0) and the unknown word (id 1) among them.
        classes: K.
        vectors: word vectors of the vocabulary, (V, D), for all channels but `rand`.
        ngrams: of the bag of n-grams, see `TextNetwork`.

    Example:
        >>> model = DCNN(DCNNConfig(), vocabulary_size=1000, classes=2)
        >>> ids, lengths = torch.tensor([5, 8, 13, 5]), torch.tensor([3, 1])  # two texts
        >>> model(ids, lengths).shape
        torch.Size([2, 2])
    """

    config: DCNNConfig

    def __init__(
        self,
        config: DCNNConfig,
        *,
        vocabulary_size: int,
        classes: int,
        vectors: torch.Tensor | None = None,
        ngrams: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        super().__init__(config, vocabulary_size=vocabulary_size, classes=classes, vectors=vectors, ngrams=ngrams)
        self.convolution = RowLookupConvolution(
            channels=self.channels.count,
            dimension=config.dimension,
            region_size=config.region_sizes[0],
            feature_maps=config.feature_maps[0],
        )
        rows = [config.dimension // 2 ** (layer + 1) for layer in range(len(config.region_sizes))]
        self.deeper = nn.ModuleList(
            FoldedRowConvolution(rows=before, region_size=size, maps_before=maps_before, feature_maps=maps)
            for before, size, maps_before, maps in zip(
                rows, config.region_sizes[1:], config.feature_maps, config.feature_maps[1:], strict=False
            )
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros(maps, after)) for maps, after in zip(config.feature_maps, rows, strict=True)
        )

    def penultimate(self, words: torch.Tensor, places: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """All blocks, (B, features).

        Arguments as in `TextNetwork.penultimate`.
        """
        x, counts = self.convolution(words, places, lengths)  # (B, P, F1, D / 2), folded
        x, counts = self.pool(x, counts, lengths, 1)  # (B, k_1, F1, D / 2)
        for layer, convolution in enumerate(self.deeper, 2):
            x = convolution(x, counts)  # (B, P, F, D / 2^l)
            counts = window_counts(counts, self.config.region_sizes[layer - 1], "wide")
            x, counts = self.pool(x, counts, lengths, layer)  # (B, k_l, F, D / 2^l)
        return x.flatten(1)

    def pool(
        self, x: torch.Tensor, counts: torch.Tensor, lengths: torch.Tensor, layer: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Dynamic k-max, bias and tanh of layer l: the values (B, k, F, D) and how many each text has."""
        k = dynamic_k(lengths, layer, len(self.config.region_sizes), self.config.k_top)  # (B,)
        pooled = k_max_pool(x.flatten(2), counts, k).unflatten(2, x.shape[2:])  # (B, k, F, D)
        counts = torch.minimum(k, counts)
        real = position_mask(counts, pooled.shape[1])[:, :, None, None]
        # tanh(bias) is not 0: behind a text's values the zeros are put back.
        return torch.tanh(pooled + self.biases[layer - 1]).masked_fill(~real, 0.0), counts
