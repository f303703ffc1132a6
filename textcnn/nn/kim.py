"""Kim (2014), Convolutional Neural Networks for Sentence Classification, arXiv 1408.5882."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from textcnn.nn._pooling import average_pool, k_max_pool
from textcnn.nn.base import TextNetwork
from textcnn.nn.lookup import LookupConvolution
from textcnn.settings.config import KimConfig

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "identity": nn.Identity(),
}


class KimCNN(TextNetwork):
    """The paper's network on flat ids and lengths: channels, convolution, pooling, dropout, softmax.

    Deviations: the windows are those that touch at least one word (the paper's code also admits
    windows of padding alone, which makes relu(b) a floor of each feature); an empty text pools to 0;
    `average` and `k-max` pooling are not the paper's.

    Args:
        config: settings; the defaults are the paper's.
        vocabulary_size: V, padding (id 0) and the unknown word (id 1) among them.
        classes: K.
        vectors: word vectors of the vocabulary, (V, D), for all channels but `rand`.
        ngrams: of the bag of n-grams, see `TextNetwork`.

    Example:
        >>> model = KimCNN(KimConfig(), vocabulary_size=1000, classes=2)
        >>> ids, lengths = torch.tensor([5, 8, 13, 5]), torch.tensor([3, 1])  # two texts
        >>> model(ids, lengths).shape
        torch.Size([2, 2])
    """

    config: KimConfig

    def __init__(
        self,
        config: KimConfig,
        *,
        vocabulary_size: int,
        classes: int,
        vectors: torch.Tensor | None = None,
        ngrams: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        super().__init__(config, vocabulary_size=vocabulary_size, classes=classes, vectors=vectors, ngrams=ngrams)
        self.convolution = LookupConvolution(
            dimension=self.channels.count * config.dimension,
            region_sizes=config.region_sizes,
            feature_maps=config.feature_maps,
            padding=config.padding,
        )

    def penultimate(self, words: torch.Tensor, places: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Convolution, activation and pooling of every region size (section 2, z), (B, R F), or (B, R k F) for k-max.

        Arguments as in `TextNetwork.penultimate`.
        """
        words = words.flatten(1)  # (U, C D)
        activation = ACTIVATIONS[self.config.activation]
        if self.config.pooling == "max":
            # All activations are increasing: the maximum may be taken first. An empty text stays 0.
            largest = self.convolution.largest(words, places, lengths)  # (B, R F)
            return torch.where(lengths[:, None] > 0, activation(largest), 0.0)
        pooled = []
        for responses, counts in self.convolution(words, places, lengths):
            x = activation(responses)  # (B, P, F)
            average = self.config.pooling == "average"
            pooled.append(average_pool(x, counts) if average else k_max_pool(x, counts, self.config.k).flatten(1))
        return torch.cat(pooled, dim=1)
