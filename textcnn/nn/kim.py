"""Kim (2014), Convolutional Neural Networks for Sentence Classification, arXiv 1408.5882."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from textcnn.nn import functions
from textcnn.nn._pooling import average_pool, k_max_pool
from textcnn.nn.base import TextNetwork
from textcnn.nn.lookup import LookupConvolution
from textcnn.settings.config import KimConfig
from textcnn.text.tokens import Ngrams

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "identity": nn.Identity(),
}


class KimCNN(TextNetwork):
    """The paper's network (section 2): channels, convolution, max-over-time pooling, dropout, softmax.

    Deviations: each window touches at least one word (the paper's code also has windows of padding alone, so that no
    feature is below relu(b)); an empty text pools to 0; `narrow` padding, other activations than relu, and `average`
    and `k-max` pooling are not in the paper.

    Arguments and errors as in `TextNetwork`; the defaults of `config` are the paper's.

    Example:
        >>> model = KimCNN(KimConfig(ngrams=0), vocabulary_size=1000, classes=2)
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
            padding=config.padding,
        )

    def penultimate(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the penultimate layer z of R region sizes (section 2), (B, R F), or (B, R k F) for k-max pooling.

        Arguments as in `TextNetwork.penultimate`.
        """
        words = words.flatten(1)  # (U, C D)
        activation = ACTIVATIONS[self.config.activation]  # f of eq. 2
        if self.config.pooling == "max":
            # The activations are monotonic, so the maximum can be taken before them.
            largest = self.convolution.largest(words, inverse, lengths)  # (B, R F)
            return torch.where(lengths[:, None] > 0, activation(largest), 0.0)  # (B, R F)
        if functions.usable(words, self.convolution.weight):
            if self.config.pooling == "average":
                return self.convolution.mean(words, inverse, lengths, self.config.activation)  # (B, R F)
            return self.convolution.k_largest(
                words, inverse, lengths, self.config.activation, self.config.k
            )  # (B, R k F)
        pooled = []
        for responses, counts in self.convolution(words, inverse, lengths):  # (B, P, F), (B,)
            c = activation(responses)  # (B, P, F), the feature maps of eq. 3
            if self.config.pooling == "average":
                pooled.append(average_pool(c, counts))  # (B, F)
            else:
                pooled.append(k_max_pool(c, counts, self.config.k).flatten(1))  # (B, k F)
        return torch.cat(pooled, dim=1)  # (B, R F) or (B, R k F)
