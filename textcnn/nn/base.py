"""What all networks share: embedding channels, dropout, the softmax layer and the bag of n-grams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from textcnn.nn._channels import Channels
from textcnn.nn._subwords import SubwordMatches
from textcnn.nn.bag import NgramBag, NgramMatches
from textcnn.nn.randomness import Dropout
from textcnn.settings.config import NetworkConfig
from textcnn.text.tokens import Ngrams


class Matches(NamedTuple):
    """What a network finds in texts before it scores them: None of a part that it lacks."""

    ngrams: NgramMatches | None
    subwords: SubwordMatches | None


class TextNetwork(nn.Module):
    """A network from texts, as concatenated word ids and lengths, to logits.

    A subclass computes the features below the softmax layer, in `penultimate`.

    Args:
        config: the network's settings.
        vocabulary_size: V, including padding (id 0) and the unknown word (id 1).
        classes: K.
        vectors: word vectors of the vocabulary, (V, D); needed for all channels but `rand`.
        ngrams: the n-grams of the bag: their numbers, ascending, (G,) int64, and their factors, (G,)
            (`textcnn.text.ngrams.collect_ngrams`); None for a network without a bag, whatever the settings say.
        subwords: the buckets of character n-grams that have a row, ascending, (B,) int32, and the n-grams of the words
            by id, (W,) (`textcnn.nn._subwords`); None for a network of words alone, whatever the settings say.

    Raises:
        ValueError: n-grams for settings without them, or `vectors` that are missing or of the wrong shape.
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
        subwords: tuple[torch.Tensor, Ngrams] | None = None,
    ) -> None:
        super().__init__()
        if ngrams is not None and config.ngrams == 0:
            raise ValueError("ngrams: expected None for settings of order 0, found n-grams")
        if subwords is not None and not config.char_ngrams:
            raise ValueError("subwords: expected None for settings without char_ngrams, found n-grams")
        self.config = config
        self.channels = Channels(config, vocabulary_size, vectors, subwords)
        self.dropout = Dropout(config.dropout)
        self.softmax = nn.Linear(config.features, classes)
        nn.init.zeros_(self.softmax.weight)  # Kim's code
        nn.init.zeros_(self.softmax.bias)
        self.ngrams = None
        if ngrams is not None:
            self.ngrams = NgramBag(*ngrams, order=config.ngrams, vocabulary_size=vocabulary_size, classes=classes)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the logits of B texts.

        Args:
            ids: word ids of the texts, concatenated, (N,).
            lengths: words per text, (B,), summing to N.

        Returns:
            Logits, (B, K).
        """
        distinct, inverse = torch.unique(ids, return_inverse=True)  # (U,), (N,)
        return self.logits(distinct, inverse, lengths)  # (B, K)

    def find(self, distinct: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> Matches:
        """Return the n-grams of texts that the bag knows, and their words' character n-grams.

        Arguments as in `logits`.
        """
        ngrams = None if self.ngrams is None else self.ngrams.find(distinct[inverse], lengths)
        subwords = None if self.channels.subwords is None else self.channels.subwords.find(distinct)
        return Matches(ngrams, subwords)

    def rows(self, distinct: torch.Tensor, matches: Matches) -> dict[str, torch.Tensor]:
        """Return the rows of each table that texts read, by the parameter's name.

        Args:
            distinct: distinct word ids, (U,).
            matches: the result of `find`.
        """
        found = {"channels.tuned": distinct}
        if matches.subwords is not None:
            found = {
                "channels.tuned": distinct[self.channels.own(distinct)],
                "channels.subwords.weight": matches.subwords.rows,
            }
        return found if matches.ngrams is None else {**found, "ngrams.weight": matches.ngrams.rows}

    def logits(
        self,
        distinct: torch.Tensor,
        inverse: torch.Tensor,
        lengths: torch.Tensor,
        matches: Matches | None = None,
    ) -> torch.Tensor:
        """Return the logits of B texts whose distinct words are known.

        Args:
            distinct: distinct word ids, (U,).
            inverse: index into `distinct` at each position of the concatenated texts, (N,), as from `torch.unique`.
            lengths: words per text, (B,), summing to N.
            matches: the result of `find`, if it is known already.

        Returns:
            Logits, (B, K).
        """
        matches = matches or self.find(distinct, inverse, lengths)
        words = self.channels(distinct, matches.subwords)  # (U, C, D)
        features = self.dropout(self.penultimate(words, inverse, lengths))  # (B, features)
        logits: torch.Tensor = self.softmax(features)  # (B, K)
        if self.ngrams is None:
            return logits
        return logits + self.ngrams(matches.ngrams, len(lengths))  # (B, K)

    def penultimate(self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the features of B texts, the input of dropout and the softmax layer.

        Args:
            words: embeddings of the distinct words, (U, C, D).
            inverse: index into `words` at each position of the concatenated texts, (N,).
            lengths: words per text, (B,), summing to N.

        Returns:
            Features, (B, features).
        """
        raise NotImplementedError

    def layers(
        self, words: torch.Tensor, inverse: torch.Tensor, lengths: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the responses of each layer's maps, before its activation, in a network of several layers.

        Arguments as in `penultimate`.

        Yields:
            Responses, (B, P, F) or (B, P, F, D) with rows of their own, and how many each text has, (B,). Those after a
            text's last are undefined.
        """
        raise NotImplementedError


def tensor_of(array: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor: of one that is read-only, as arrays mapped from files are, a copy."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())
