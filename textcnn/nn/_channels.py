"""Embedding channels (Kim 2014, section 3.1): what a word's row is made of."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from textcnn.settings.config import NetworkConfig
from textcnn.text.vocabulary import FIRST_WORD


class Channels(nn.Module):
    """The rows of words in the channels `rand`, `static`, `non-static` or `multichannel`.

    The paper applies a filter to both channels and adds the results, which is the same as applying
    it once to their sum (`shared`); filters with weights of their own for each channel are filters
    over both rows joined (`separate`).

    A `rand` table starts from U(-0.25, 0.25) (Kim's code). The row of unknown words starts at zero,
    so that a word never met in training says nothing.

    Args:
        config: channels, filters and dimension D.
        vocabulary_size: V, padding and the unknown word among them.
        vectors: word vectors of the whole vocabulary, (V, D); None for `rand` only.

    Attributes:
        sparse: whether the tuned table's gradient is a sparse tensor of the rows that a batch used, as
            with `nn.Embedding`; for optimisers that take one.
    """

    def __init__(self, config: NetworkConfig, vocabulary_size: int, vectors: torch.Tensor | None) -> None:
        super().__init__()
        shape = (vocabulary_size, config.dimension)
        if config.pretrained and (vectors is None or vectors.shape != shape):
            found = None if vectors is None else tuple(vectors.shape)
            raise ValueError(f"channels {config.channels}: expected vectors of the shape {shape}, found {found}")
        if vectors is None:
            vectors = torch.empty(shape).uniform_(-0.25, 0.25)
            vectors[:FIRST_WORD] = 0.0
        self.count = config.channel_count
        self.sparse = False
        self.fixed: torch.Tensor | None
        self.tuned: nn.Parameter | None
        self.register_buffer("fixed", vectors.clone() if config.channels in ("static", "multichannel") else None)
        self.register_parameter("tuned", None if config.channels == "static" else nn.Parameter(vectors.clone()))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Rows of some words.

        Args:
            words: their ids, (U,).

        Returns:
            Rows, (U, C, D), C = 2 for `separate` filters, else 1.
        """
        # index_select's gradient adds in order: the same bits each time.
        rows = [] if self.fixed is None else [self.fixed.index_select(0, words)]
        if self.tuned is not None:
            tuned = self.tuned
            rows.append(F.embedding(words, tuned, sparse=True) if self.sparse else tuned.index_select(0, words))
        if len(rows) > self.count:  # filters shared by both
            rows = [rows[0] + rows[1]]
        return torch.stack(rows, dim=1) if len(rows) > 1 else rows[0][:, None]
