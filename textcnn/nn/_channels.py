"""Embedding channels (Kim 2014, sections 2 and 3.3): the vectors by which a word enters the network."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from textcnn.settings.config import NetworkConfig
from textcnn.text.vocabulary import FIRST_WORD


class Channels(nn.Module):
    """Word embeddings in the variants `rand`, `static`, `non-static` and `multichannel`.

    The paper applies each filter to both channels and adds the results, which is the same as applying it once to the
    sum of the channels (`shared`). Deviation: `separate` gives each channel its own filter weights, over the
    concatenated channels.

    A `rand` table is initialised from U(-0.25, 0.25), as in Kim's code. Padding and the unknown word start at zero, so
    that a word never seen in training has no effect.

    Args:
        config: channels, filters and dimension D.
        vocabulary_size: V, including padding and the unknown word.
        vectors: word vectors of the whole vocabulary, (V, D); None for `rand` only.

    Attributes:
        count: C, the channels that `forward` returns.
        sparse: whether the gradient of the tuned table is a sparse tensor of the rows used by a batch, as in
            `nn.Embedding`.

    Raises:
        ValueError: `vectors` are missing or of the wrong shape.
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
        """Return the embeddings of words.

        Args:
            words: word ids, (U,).

        Returns:
            Embeddings, (U, C, D), with C = 2 for `separate` filters, else 1.
        """
        # The gradient of index_select is summed in a fixed order: the same bits every time.
        rows = [] if self.fixed is None else [self.fixed.index_select(0, words)]  # (U, D) each
        if self.tuned is not None:
            tuned = self.tuned
            rows.append(F.embedding(words, tuned, sparse=True) if self.sparse else tuned.index_select(0, words))
        if len(rows) > self.count:  # `shared` filters
            rows = [rows[0] + rows[1]]
        return torch.stack(rows, dim=1) if len(rows) > 1 else rows[0][:, None]  # (U, C, D)
