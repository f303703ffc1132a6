"""Kalchbrenner et al. (2014), A Convolutional Neural Network for Modelling Sentences, arXiv 1404.2188."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from textcnn.nn import functions
from textcnn.nn._pooling import fold, k_max_pool, position_mask
from textcnn.nn.base import TextNetwork
from textcnn.nn.lookup import RowLookupConvolution, offsets_of, window_counts
from textcnn.settings.config import DCNNConfig
from textcnn.text.tokens import Ngrams


def dynamic_k(lengths: torch.Tensor, layer: int, layers: int, k_top: int) -> torch.Tensor:
    """Return how many values the pooling of a layer keeps (section 3.3): k_l = max(k_top, ceil((L - l) / L * s)).

    Args:
        lengths: s, words per text, (B,).
        layer: l, from 1.
        layers: L; the last one keeps k_top.
        k_top: the k of the last layer.

    Returns:
        k of each text, (B,).
    """
    share = -(-((layers - layer) * lengths) // layers)  # (B,), the ceiling in integers
    return share.clamp(min=k_top)  # (B,)


class FoldedRowConvolution(nn.Module):
    """Wide convolution of each row, summed over the maps of the layer below, and folding (sections 3.1, 3.5 and 3.6).

    Args:
        rows: D, even.
        region_size: m.
        maps_before: F', maps of the layer below.
        feature_maps: F.
    """

    def __init__(self, *, rows: int, region_size: int, maps_before: int, feature_maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, feature_maps, maps_before, region_size))
        bound = math.sqrt(6 / (region_size * (maps_before + feature_maps)))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the folded responses.

        Args:
            x: values of the layer below, (B, P, F', D), zeros after those of each text.

        Returns:
            Responses, (B, P + m - 1, F, D / 2).
        """
        margin = self.weight.shape[3] - 1  # m - 1
        windows = F.pad(x, (0, 0, 0, 0, margin, margin)).unfold(1, margin + 1, 1)  # (B, P + m - 1, F', D, m)
        return fold(torch.einsum("bwgdm,dfgm->bwfd", windows, self.weight))  # (B, P + m - 1, F, D / 2)


class DCNN(TextNetwork):
    """The paper's network (section 3): layers of wide convolution, folding, dynamic k-max pooling, bias and tanh.

    The first convolution works row by row and folding is linear, so the table of a look-up convolution holds both. A
    text's k depends on its own length, never on the padding of a batch.

    Deviations: where a text has fewer than k values, zeros follow them, and the next layer sees the values alone;
    pretrained channels, `separate` filters and dropout below the softmax layer are not in the paper.

    Arguments and errors as in `TextNetwork`; the defaults of `config` are the paper's for SST-2.

    Example:
        >>> model = DCNN(DCNNConfig(ngrams=0), vocabulary_size=1000, classes=2)
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
        subwords: tuple[torch.Tensor, Ngrams] | None = None,
    ) -> None:
        super().__init__(
            config,
            vocabulary_size=vocabulary_size,
            classes=classes,
            vectors=vectors,
            ngrams=ngrams,
            subwords=subwords,
        )
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

    def penultimate(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the pooled maps of the last of L layers, (B, k_top F D / 2^L).

        Arguments as in `TextNetwork.penultimate`.
        """
        if functions.usable(words, self.convolution.weight):
            return functions.RowLayers.apply(
                *(self.config, inverse.int(), offsets_of(lengths), words, self.convolution.weight),
                *(*self.biases, *(convolution.weight for convolution in self.deeper)),
            )  # (B, k_top F D / 2^L)
        for x, counts in self.layers(words, inverse, lengths):  # noqa: B007 (the last)
            pass
        x, _ = self.pool(x, counts, lengths, len(self.biases))  # (B, k_top, F, D / 2^L)
        return x.flatten(1)  # (B, k_top F D / 2^L)

    def layers(
        self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the folded responses of each layer l, before pooling, (B, P, F, D / 2^l), and their numbers, (B,).

        Arguments as in `TextNetwork.penultimate`.
        """
        x, counts = self.convolution(words, inverse, lengths)  # (B, P, F1, D / 2), (B,)
        yield x, counts
        for layer, convolution in enumerate(self.deeper, 1):  # l
            x, counts = self.pool(x, counts, lengths, layer)  # (B, k_l, F, D / 2^l), (B,)
            x = convolution(x)  # (B, k_l + m - 1, F, D / 2^(l+1))
            counts = window_counts(counts, self.config.region_sizes[layer], "wide")  # (B,)
            yield x, counts

    def pool(
        self, x: torch.Tensor, counts: torch.Tensor, lengths: torch.Tensor, layer: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply the dynamic k-max pooling, bias and tanh of a layer (sections 3.3 and 3.4).

        Args:
            x: folded responses, (B, P, F, D).
            counts: windows of each text, (B,).
            lengths: s, words per text, (B,).
            layer: l, from 1.

        Returns:
            Values, (B, k, F, D), zeros after those of each text; and the number of each text's values, (B,).
        """
        k = dynamic_k(lengths, layer, len(self.config.region_sizes), self.config.k_top)  # (B,)
        pooled = k_max_pool(x.flatten(2), counts, k).unflatten(2, x.shape[2:])  # (B, k, F, D)
        counts = torch.minimum(k, counts)  # (B,)
        real = position_mask(counts, pooled.shape[1])[:, :, None, None]  # (B, k, 1, 1)
        # tanh(bias) is not 0, so the zeros after a text's values are restored.
        return torch.tanh(pooled + self.biases[layer - 1]).masked_fill(~real, 0.0), counts
