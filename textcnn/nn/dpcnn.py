"""The deep pyramid CNN of Johnson and Zhang (2017, Deep Pyramid Convolutional Neural Networks for Text Categorization).

Blocks of two convolutions with a shortcut around them; before each block but the first, pooling halves the text. All
layers have equally many maps, so that the shortcut is the identity and a text costs at most twice its first block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from textcnn.nn._convolution import Convolution, without_padding
from textcnn.nn._pooling import max_pool, position_mask
from textcnn.nn.base import TextNetwork
from textcnn.nn.kim import ACTIVATIONS
from textcnn.nn.lookup import LookupConvolution
from textcnn.settings.config import DPCNNConfig
from textcnn.text.tokens import Ngrams


class DPCNN(TextNetwork):
    """Region embedding, blocks, and max pooling over what is left of the text.

    A region's embedding is linear (section 2.2) and so a sum of look-ups. Values after a text's end are zero in every
    layer, and a text of one position passes further blocks as it is: no score depends on the padding of a batch.

    Deviations from the paper: regions of several sizes side by side; dropout and max pooling as in Kim (2014); the
    depth depends on the length of the text, not on the longest one; no unsupervised embeddings (section 2.3).

    Arguments and errors as in `TextNetwork`.
    """

    config: DPCNNConfig

    def __init__(
        self,
        config: DPCNNConfig,
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
            region_sizes=config.region_sizes,
            feature_maps=config.feature_maps,
            padding="wide",
        )
        self.deeper = nn.ModuleList(Block(config.features, config.activation) for _ in range(config.blocks))

    def penultimate(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the largest values of the last block's maps, (B, F).

        Arguments as in `TextNetwork.penultimate`.
        """
        for x, counts in self.layers(words, inverse, lengths):  # noqa: B007 (the last)
            pass
        return max_pool(x, counts)  # (B, F)

    def layers(
        self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the region embedding and the responses of each convolution, the second of a block with its shortcut.

        Arguments as in `TextNetwork.penultimate`. In blocks that a text passes as it is, the first convolution's
        responses have no meaning for it.

        Yields:
            Responses, (B, P, F), zeros after each text's last; and how many it has, (B,).
        """
        responses = self.convolution(words.flatten(1), inverse, lengths)  # R of (B, P, F / R) and (B,)
        longest = max(int(lengths.max()), 1) if len(lengths) else 1  # L
        regions = []  # R of (B, L, F / R)
        for (x, _), size in zip(responses, self.config.region_sizes, strict=True):
            begin = (size - 1) // 2  # the window whose middle is the first word
            regions.append(F.pad(x, (0, 0, 0, begin))[:, begin : begin + longest])  # (B, L, F / R)
        x = without_padding(torch.cat(regions, dim=2), lengths)  # (B, L, F)
        counts = lengths  # (B,)
        yield x, counts
        for number, block in enumerate(self.deeper):
            several = torch.ones_like(counts) if number == 0 else (counts > 1).long()  # (B,)
            if number:
                x, counts = halve(x, counts)  # (B, ceil(P / 2), F), (B,)
            first, second = block(x, counts)  # (B, P, F) both
            yield first, counts
            x = x + second * several[:, None, None]  # (B, P, F)
            yield x, counts


class Block(nn.Module):
    """Two convolutions of three positions, each after its activation (section 2.2, pre-activation).

    Args:
        maps: F, of their inputs and outputs.
        activation: as in `KimConfig`.
    """

    def __init__(self, maps: int, activation: str) -> None:
        super().__init__()
        self.first = Convolution(maps, maps, 3)
        self.second = Convolution(maps, maps, 3)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the first convolution's responses and what is added to x, all (B, P, F).

        Zeros follow a text's `counts` (B,) positions in all.
        """
        first = self.first(self.activation(x), counts)  # (B, P, F); the activation of 0 is 0
        return first, self.second(self.activation(first), counts)  # (B, P, F) both


def halve(x: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest of each three neighbouring values, every other position, (B, ceil(P / 2), F) (section 2.2).

    Args:
        x: (B, P, F).
        counts: positions of each text, (B,).

    Returns:
        Maxima, zeros after a text's last, and how many each text has, (B,).
    """
    real = position_mask(counts, x.shape[1])[:, :, None]  # (B, P, 1)
    masked = x.masked_fill(~real, -torch.inf)  # (B, P, F)
    padded = F.pad(masked.transpose(1, 2), (0, 2), value=-torch.inf)  # (B, F, P + 2)
    x = F.max_pool1d(padded, 3, stride=2).transpose(1, 2)  # (B, ceil(P / 2), F)
    counts = (counts + 1) // 2  # (B,)
    return without_padding(x, counts), counts
