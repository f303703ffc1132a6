"""The linear bag of n-grams beside a network (`textcnn.text.ngrams`), in torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from textcnn.text.ngrams import LEAST_RATIO, SCALE, NgramIndex
from textcnn.text.tokens import Encoded


class NgramMatches(NamedTuple):
    """The M known n-grams of B texts, each counted once per text."""

    rows: torch.Tensor  # distinct rows of the weights, (U,)
    inverse: torch.Tensor  # index into `rows` of each match, (M,)
    texts: torch.Tensor  # index of the text of each match, (M,)


class NgramBag(nn.Module):
    """Weights of n-grams per class; a text adds their scaled sum to its logits.

    Args:
        keys: numbers of the G known n-grams, ascending, (G,) int64.
        factors: their factors t (`textcnn.text.ngrams`), (G,).
        order: words in the longest n-gram.
        vocabulary_size: V.
        classes: K.

    Attributes:
        sparse: whether the gradient is a sparse tensor of the rows used by a batch (see `Channels`).
    """

    keys: torch.Tensor
    factors: torch.Tensor

    def __init__(
        self, keys: torch.Tensor, factors: torch.Tensor, *, order: int, vocabulary_size: int, classes: int
    ) -> None:
        super().__init__()
        self.index = NgramIndex(keys.numpy(), order, vocabulary_size)
        self.sparse = False
        self.register_buffer("keys", keys)
        self.register_buffer("factors", factors)
        self.weight = nn.Parameter(torch.zeros(len(keys), classes))  # (G, K)

    def find(self, ids: torch.Tensor, lengths: torch.Tensor) -> NgramMatches:
        """Return the known n-grams of texts.

        Args:
            ids: word ids of the texts, concatenated, (N,).
            lengths: words per text, (B,), summing to N.
        """
        offsets = np.concatenate([[0], lengths.cumsum(0).cpu().numpy()])  # (B + 1,)
        numbers, counts = self.index.find(Encoded(ids.int().cpu().numpy(), offsets))  # (M,), (B,)
        rows, inverse = np.unique(numbers, return_inverse=True)  # (U,), (M,)
        texts = np.repeat(np.arange(len(counts)), counts)  # (M,)
        return NgramMatches(*(torch.from_numpy(array).to(ids.device) for array in (rows, inverse, texts)))

    def forward(self, matches: NgramMatches, texts: int) -> torch.Tensor:
        """Return what the bag adds to the logits, (B, K).

        Args:
            matches: the texts' known n-grams.
            texts: B.
        """
        factors = self.factors[matches.rows]  # (U,)
        rows = F.embedding(matches.rows, self.weight, sparse=self.sparse) * factors[:, None]  # (U, K)
        parts = rows.index_select(0, matches.inverse)  # (M, K)
        sums = rows.new_zeros(texts, rows.shape[1]).index_add(0, matches.texts, parts)  # (B, K)
        squares = factors.new_zeros(texts).index_add(0, matches.texts, factors[matches.inverse] ** 2)  # (B,)
        return sums * (SCALE / squares.clamp(min=LEAST_RATIO**2).sqrt())[:, None]  # (B, K)
