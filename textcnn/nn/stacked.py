"""A stack of convolutions with local max pooling between them and global pooling at the end.

The layout of convolutional networks for images (LeCun et al. 1998, Gradient-Based Learning Applied to Document
Recognition, section II), over the words of a text: each layer sees longer stretches of it than the one below. Two
options make deeper ones: shortcuts around pairs of layers (He et al. 2016, Deep Residual Learning for Image
Recognition), and inception modules as layers (Szegedy et al. 2015, Going Deeper with Convolutions).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from textcnn.nn._convolution import Convolution, without_padding
from textcnn.nn._pooling import average_pool, local_max_pool, max_pool
from textcnn.nn.base import TextNetwork
from textcnn.nn.kim import ACTIVATIONS
from textcnn.nn.lookup import LookupConvolution, window_counts
from textcnn.settings.config import StackedConfig
from textcnn.text.tokens import Ngrams


class StackedCNN(TextNetwork):
    """Layers of convolution, activation and local max pooling; the last one pools over the whole text.

    All convolutions are wide, but with shortcuts or branches those of the layers after the first keep the length. Local
    pooling is before each layer after the first, with shortcuts before each pair. Values after a text's end are zero in
    every layer, so that no score depends on the padding of a batch.

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
        self.convolution = LookupConvolution(
            dimension=self.channels.count * config.dimension,
            region_sizes=config.region_sizes[:1],
            feature_maps=config.feature_maps[0],
            padding="wide",
        )
        kind, layers = (Residual, 2) if config.shortcut else (_layer, 1)
        self.deeper = nn.ModuleList(kind(config, 1 + layers * stage) for stage in range(config.stages))

    def penultimate(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the pooled maps of the last layer, (B, F).

        Arguments as in `TextNetwork.penultimate`.
        """
        for x, counts in self.layers(words, inverse, lengths):  # noqa: B007 (the last)
            pass
        pool = max_pool if self.config.global_pooling == "max" else average_pool
        return pool(self._activate(x, counts), counts)  # (B, F)

    def layers(
        self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the responses of each layer, (B, P, F), with its shortcut if it ends one, and their numbers, (B,).

        Arguments as in `TextNetwork.penultimate`.
        """
        words = words.flatten(1)  # (U, C D)
        [(x, counts)] = self.convolution(words, inverse, lengths)  # (B, P, F1), (B,)
        yield x, counts
        for stage in self.deeper:
            x = self._activate(x, counts)  # (B, P, F')
            x, counts = local_max_pool(x, counts, self.config.pool_size)  # (B, P', F'), (B,), with P' = ceil(P / p)
            if isinstance(stage, Residual):
                inner, x = stage(x, counts)  # (B, P', F''), (B, P', F)
                yield inner, counts
            elif isinstance(stage, nn.Conv1d):  # wide
                x = stage(x.transpose(1, 2)).transpose(1, 2)  # (B, P' + h - 1, F)
                counts = window_counts(counts, stage.kernel_size[0], "wide")  # (B,)
            else:
                x = stage(x, counts)  # (B, P', F)
            yield x, counts

    def _activate(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Apply the activation to x, (B, P, F), and put zeros after each text's end."""
        return without_padding(ACTIVATIONS[self.config.activation](x), counts)  # (B, P, F)


class Residual(nn.Module):
    """Two layers with a shortcut around them (He et al. 2016, figure 2): y = F(x) + x, equation 1.

    Where the numbers of maps differ, the shortcut is a convolution of one position: y = F(x) + W x, equation 2. The
    activation of y follows.

    Deviations from He et al.: no batch normalisation; pooling between the pairs instead of strides; the projection has
    a bias.

    Args:
        config: the network's settings.
        number: of the first of the two layers; that of the network's first layer is 0.
    """

    def __init__(self, config: StackedConfig, number: int) -> None:
        super().__init__()
        self.first = _layer(config, number)
        self.second = _layer(config, number + 1)
        below, _, maps = config.feature_maps[number - 1 : number + 2]
        self.projection = None if below == maps else Convolution(below, maps, 1)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the first layer's responses, (B, P, F''), and y, (B, P, F), from x, (B, P, F').

        Zeros follow a text's `counts` (B,) positions in all.
        """
        first = self.first(x, counts)  # (B, P, F'')
        shortcut = x if self.projection is None else self.projection(x, counts)  # (B, P, F)
        y = self.second(self.activation(first), counts) + shortcut  # (B, P, F); the activation of 0 is 0
        return first, y


class Inception(nn.Module):
    """Convolutions of several sizes side by side, with dimension reduction (Szegedy et al. 2015, figure 2(b)).

    Each branch gives an equal share of the maps. Before a convolution of several positions, one of a single position
    and an activation reduce the maps below to a quarter of the layer's. The activation of all maps follows.

    Deviations from Szegedy et al.: no branch of max pooling; maps are shared out equally.

    Args:
        below: F', maps of the layer below.
        maps: F.
        branches: size of each branch's convolution.
        activation: as in `KimConfig`.
    """

    def __init__(self, below: int, maps: int, branches: tuple[int, ...], activation: str) -> None:
        super().__init__()
        share, reduced = maps // len(branches), max(maps // 4, 1)
        self.reductions = nn.ModuleList(
            nn.Identity() if size == 1 else Convolution(below, reduced, 1) for size in branches
        )
        self.branches = nn.ModuleList(Convolution(below if size == 1 else reduced, share, size) for size in branches)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Return the branches' responses side by side, (B, P, F), to x, (B, P, F').

        Zeros follow a text's `counts` (B,) positions in both.
        """
        parts = []
        for reduction, branch in zip(self.reductions, self.branches, strict=True):
            alone = isinstance(reduction, nn.Identity)
            inner = x if alone else self.activation(reduction(x, counts))  # (B, P, F' or max(F // 4, 1))
            parts.append(branch(inner, counts))  # (B, P, F / branches)
        return torch.cat(parts, dim=2)  # (B, P, F)


def _layer(config: StackedConfig, number: int) -> nn.Module:
    """Return the convolutions of a layer above the first, which has number 0."""
    below, maps = config.feature_maps[number - 1 : number + 1]
    size = config.region_sizes[number]
    if config.branches:
        return Inception(below, maps, config.branches, config.activation)
    if config.shortcut:
        return Convolution(below, maps, size)
    return nn.Conv1d(below, maps, size, padding=size - 1)  # wide
