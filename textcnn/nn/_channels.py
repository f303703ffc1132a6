"""Embedding channels (Kim 2014, sections 2 and 3.3): the vectors by which a word enters the network."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from textcnn.nn._subwords import SubwordMatches, Subwords
from textcnn.settings.config import NetworkConfig
from textcnn.text.tokens import Ngrams
from textcnn.text.vocabulary import FIRST_WORD


class Channels(nn.Module):
    """Word embeddings in the variants `rand`, `static`, `non-static` and `multichannel`.

    The paper applies each filter to both channels and adds the results, which is the same as applying it once to the
    sum of the channels (`shared`). Deviation: `separate` gives each channel its own filter weights, over the
    concatenated channels.

    A `rand` table is initialised from U(-0.25, 0.25), as in Kim's code. Padding and the unknown word start at zero, so
    that a word never seen in training has no effect.

    With character n-grams the rows of a word's n-grams are part of the tuned channel (`textcnn.nn._subwords`).

    Args:
        config: channels, filters and dimension D.
        vocabulary_size: V, including padding and the unknown word.
        vectors: word vectors of the whole vocabulary, (V, D); None for `rand` only.
        subwords: the buckets and the words' character n-grams, arguments of `Subwords`; None for words alone.

    Attributes:
        count: C, the channels that `forward` returns.
        sparse: whether the gradient of the tuned table is a sparse tensor of the rows used by a batch, as in
            `nn.Embedding`.

    Raises:
        ValueError: `vectors` are missing or of the wrong shape.
    """

    def __init__(
        self,
        config: NetworkConfig,
        vocabulary_size: int,
        vectors: torch.Tensor | None,
        subwords: tuple[torch.Tensor, Ngrams] | None = None,
    ) -> None:
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
        self.subwords = None if subwords is None else Subwords(*subwords, config.dimension)

    def forward(self, words: torch.Tensor, matches: SubwordMatches | None = None) -> torch.Tensor:
        """Return the embeddings of words.

        Args:
            words: word ids, (U,).
            matches: their character n-grams, if these are known already (`Subwords.find`).

        Returns:
            Embeddings, (U, C, D), with C = 2 for `separate` filters, else 1.
        """
        rows = [] if self.fixed is None else [self._own_rows(self.fixed, words)]  # (U, D) each
        if self.tuned is not None:
            rows.append(self._own_rows(self.tuned, words, sparse=self.sparse))
        if self.subwords is not None:
            rows[-1] = rows[-1] + self.subwords(matches or self.subwords.find(words))
        if len(rows) > self.count:  # `shared` filters
            rows = [rows[0] + rows[1]]
        return torch.stack(rows, dim=1) if len(rows) > 1 else rows[0][:, None]  # (U, C, D)

    def _own_rows(self, table: torch.Tensor, words: torch.Tensor, *, sparse: bool = False) -> torch.Tensor:
        """Return the words' rows in a table, (U, D), zeros for those of other ids."""
        places = None if self.subwords is None else self.own(words)
        own = words if places is None else words[places]
        # The gradient of index_select is summed in a fixed order: the same bits every time.
        rows = F.embedding(own, table, sparse=True) if sparse else table.index_select(0, own)
        if places is None or len(own) == len(words):
            return rows
        return rows.new_zeros(len(words), rows.shape[1]).index_copy(0, places, rows)

    def own(self, words: torch.Tensor) -> torch.Tensor:
        """Return the places of those of the word ids (U,) that have a row of their own."""
        size = next(len(table) for table in (self.fixed, self.tuned) if table is not None)
        return (words < size).nonzero()[:, 0]
