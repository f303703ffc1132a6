"""The rows of words' character n-grams (`textcnn.text.subwords`), in torch.

A word's row is its own plus the sum of its n-grams' rows over the square root of their number. It is a look-up still:
the sum is made once for each distinct word. Deviation: in fastText it is the mean of all these rows, its own included.
The square root keeps the sum of independent rows as large as one of them, and is better on validation texts. With W
words, of which the first V are the vocabulary, an id has

    its own row and its n-grams'    below V
    its n-grams' alone              from V to W, and from W on, where it is the word of the id less W

so that every word has an id by which its own row is hidden. All rows start at zero: an n-gram that training does not
see says nothing, and words of a file of vectors start as these.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from textcnn.text.tokens import Ngrams


class SubwordMatches(NamedTuple):
    """The M n-grams of U words, word by word."""

    rows: torch.Tensor  # distinct rows of the weights, (U',)
    inverse: torch.Tensor  # index into `rows` of each n-gram, (M,)
    offsets: torch.Tensor  # where each word's n-grams begin, (U,)
    scales: torch.Tensor  # what each n-gram's row is multiplied by, (M,)


class Subwords(nn.Module):
    """Rows of n-grams.

    Args:
        buckets: those that have a row, ascending, (B,) int32.
        ngrams: of the W words in the order of their ids, padding and the unknown word, which have none, included.
        dimension: D.

    Attributes:
        sparse: whether the gradient is a sparse tensor of the rows used by a batch (see `Channels`).
    """

    buckets: torch.Tensor

    def __init__(self, buckets: torch.Tensor, ngrams: Ngrams, dimension: int) -> None:
        super().__init__()
        self.ngrams = ngrams
        self.sparse = False
        self.register_buffer("buckets", buckets)
        self.weight = nn.Parameter(torch.zeros(len(buckets), dimension))  # (B, D)

    def find(self, words: torch.Tensor) -> SubwordMatches:
        """Return the n-grams of words, ids (U,)."""
        ids = words.cpu().numpy()
        found = self.ngrams.take(np.where(ids < len(self.ngrams.counts), ids, ids - len(self.ngrams.counts)))
        met = np.zeros(len(self.buckets), bool)
        met[found.rows] = True
        rows = np.flatnonzero(met)  # (U',)
        places = np.cumsum(met) - 1
        scales = np.repeat(found.scales, np.diff(found.offsets))
        arrays = (rows, places[found.rows], found.offsets[:-1], scales)
        return SubwordMatches(*(torch.from_numpy(array).to(words.device) for array in arrays))

    def forward(self, matches: SubwordMatches) -> torch.Tensor:
        """Return what words have from their n-grams, (U, D); zeros for a word without any."""
        rows = F.embedding(matches.rows, self.weight, sparse=self.sparse)  # (U', D)
        sums: torch.Tensor = F.embedding_bag(
            matches.inverse, rows, matches.offsets, mode="sum", per_sample_weights=matches.scales.to(rows.dtype)
        )  # (U, D)
        return sums
