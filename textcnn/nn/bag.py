"""The linear bag of n-grams beside a network (`textcnn.text.ngrams`), in torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from textcnn.text.ngrams import LEAST_RATIO, SCALE, NgramIndex
from textcnn.text.tokens import Encoded


class Found(NamedTuple):
    """The known n-grams of B texts, each once a text."""

    rows: torch.Tensor  # the distinct ones, (U,)
    places: torch.Tensor  # which of them, (M,)
    texts: torch.Tensor  # in which text, (M,)


class NgramBag(nn.Module):
    """Weights of n-grams for each class; a text's part of the logits is their scaled sum.

    Args:
        keys: numbers of the known n-grams, rising, (G,) int64.
        factors: their factors t, (G,) (`textcnn.text.ngrams`).
        order: words of the longest.
        vocabulary_size: V.
        classes: K.

    Attributes:
        sparse: whether the gradient is a sparse tensor of the rows that a batch used (see `Channels`).
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

    def find(self, ids: torch.Tensor, lengths: torch.Tensor) -> Found:
        """The known n-grams of texts, given as flat ids (N,) and lengths (B,)."""
        offsets = np.concatenate([[0], lengths.cumsum(0).cpu().numpy()])
        numbers, counts = self.index.find(Encoded(ids.int().cpu().numpy(), offsets))
        rows, places = np.unique(numbers, return_inverse=True)
        texts = np.repeat(np.arange(len(counts)), counts)
        return Found(*(torch.from_numpy(array).to(ids.device) for array in (rows, places, texts)))

    def forward(self, found: Found, texts: int) -> torch.Tensor:
        """The bag's part of the logits, (B, K).

        Args:
            found: what `find` gave.
            texts: B.
        """
        factors = self.factors[found.rows]  # (U,)
        rows = F.embedding(found.rows, self.weight, sparse=self.sparse) * factors[:, None]  # (U, K)
        sums = rows.new_zeros(texts, rows.shape[1]).index_add(0, found.texts, rows.index_select(0, found.places))
        squares = factors.new_zeros(texts).index_add(0, found.texts, factors[found.places] ** 2)  # (B,)
        return sums * (SCALE / squares.clamp(min=LEAST_RATIO**2).sqrt())[:, None]
