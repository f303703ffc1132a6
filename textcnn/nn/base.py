"""What all networks have alike: channels below, dropout, the softmax layer and the bag of n-grams above."""

from __future__ import annotations

import torch
from torch import nn

from textcnn.nn._channels import Channels
from textcnn.nn.bag import Found, NgramBag
from textcnn.settings.config import NetworkConfig


class TextNetwork(nn.Module):
    """A network on flat ids and lengths.

    Args:
        config: its settings.
        vocabulary_size: V, padding (id 0) and the unknown word (id 1) among them.
        classes: K.
        vectors: word vectors of the vocabulary, (V, D), for all channels but `rand`.
        ngrams: of the bag of n-grams: their numbers, rising, (G,) int64, and their factors, (G,)
            (`textcnn.text.ngrams.collect_ngrams`); None for a network without a bag, whatever the settings say.

    Raises:
        ValueError: n-grams for settings without a bag.
    """

    config: NetworkConfig

    def __init__(
        self,
        config: NetworkConfig,
        *,
        vocabulary_size: int,
        classes: int,
        vectors: torch.Tensor | None = None,
        ngrams: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        if ngrams is not None and config.ngrams == 0:
            raise ValueError("ngrams: expected none for settings of order 0, found some")
        self.config = config
        self.channels = Channels(config, vocabulary_size, vectors)
        self.dropout = nn.Dropout(config.dropout)
        self.softmax = nn.Linear(config.features, classes)
        nn.init.zeros_(self.softmax.weight)  # Kim's code
        nn.init.zeros_(self.softmax.bias)
        self.ngrams = None
        if ngrams is not None:
            self.ngrams = NgramBag(*ngrams, order=config.ngrams, vocabulary_size=vocabulary_size, classes=classes)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits of B texts.

        Args:
            ids: the texts' word ids, one text after the other, (N,).
            lengths: words of each text, (B,), N in sum.

        Returns:
            Logits, (B, K).
        """
        distinct, places = torch.unique(ids, return_inverse=True)  # (U,), (N,)
        return self.logits(distinct, places, lengths)

    def find_ngrams(self, distinct: torch.Tensor, places: torch.Tensor, lengths: torch.Tensor) -> Found | None:
        """The texts' n-grams that the bag knows; None without a bag."""
        return None if self.ngrams is None else self.ngrams.find(distinct[places], lengths)

    def logits(
        self, distinct: torch.Tensor, places: torch.Tensor, lengths: torch.Tensor, found: Found | None = None
    ) -> torch.Tensor:
        """The same from the distinct ids (U,) and which of them stands at each place, (N,).

        Args:
            distinct: ids.
            places: of the texts.
            lengths: words of each text, (B,).
            found: what `find_ngrams` gave, if it was asked already.
        """
        words = self.channels(distinct)  # (U, C, D)
        logits: torch.Tensor = self.softmax(self.dropout(self.penultimate(words, places, lengths)))  # (B, K)
        if self.ngrams is None:
            return logits
        found = found or self.find_ngrams(distinct, places, lengths)
        return logits + self.ngrams(found, len(lengths))

    def penultimate(self, words: torch.Tensor, places: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The features of B texts, (B, features).

        Args:
            words: rows of the distinct words, (U, C, D).
            places: which of them stands at each place, (N,).
            lengths: words of each text, (B,).
        """
        raise NotImplementedError
