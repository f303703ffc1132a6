"""The words that a model knows and their ids; word counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn import kernels
from textcnn.errors import DataError
from textcnn.settings.config import TextConfig
from textcnn.text.columns import strings
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Token, Tokens

PAD, UNKNOWN, FIRST_WORD = 0, 1, 2  # ids


class Vocabulary:
    """The words a model knows, with ids from 2; id 0 is padding and id 1 any unknown word.

    Args:
        words: Distinct words, in the order of their ids.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self._ids = {word: i for i, word in enumerate(self.words, FIRST_WORD)}

    @cached_property
    def _column(self) -> pa.Array:
        return strings(self.words)

    @cached_property
    def table(self) -> kernels.WordTable:
        """The words as a table for the compiled loops, if these are available."""
        column = self._column.cast(pa.large_string())
        _, offsets, data = column.buffers()
        return kernels.WordTable(
            np.frombuffer(data or b"", np.uint8), np.frombuffer(offsets, np.int64)[: len(self.words) + 1]
        )

    def __len__(self) -> int:
        """Return the number of ids, including padding and the unknown word."""
        return len(self.words) + FIRST_WORD

    def encode(self, words: pa.Array) -> np.ndarray:
        """Return the ids of a column of N words, (N,) int32."""
        found = pc.index_in(words, value_set=self._column)
        ids = (
            found.to_numpy(zero_copy_only=False)
            if not found.null_count
            else pc.fill_null(found, UNKNOWN - FIRST_WORD).to_numpy()
        )
        return ids + np.int32(FIRST_WORD)

    def ids(self, tokens: Iterable[Token]) -> list[int]:
        """Return the ids of a few tokens."""
        return [self._ids.get(token.text, UNKNOWN) for token in tokens]


def count_words(chunks: Iterable[Tokens]) -> tuple[list[str], np.ndarray]:
    """Count words.

    Args:
        chunks: Tokens of texts.

    Returns:
        The W distinct words, most frequent first (ties by code point), and their counts, (W,) int64.
    """
    counts = [pc.value_counts(tokens.words) for tokens in chunks]
    if not counts:
        return [], np.zeros(0, dtype=np.int64)
    table = pa.table(
        {
            "word": pa.chunked_array([c.field("values") for c in counts]),
            "count": pa.chunked_array([c.field("counts") for c in counts]),
        }
    )
    table = table.group_by("word").aggregate([("count", "sum")])
    table = table.sort_by([("count_sum", "descending"), ("word", "ascending")])
    return table["word"].to_pylist(), table["count_sum"].to_numpy()


def build_vocabulary(texts: pa.ChunkedArray, config: TextConfig) -> Vocabulary:
    """Return the vocabulary of the training texts.

    Args:
        texts: The training texts.
        config: Keeps the `max_size` most frequent of the words that occur at least `min_count` times.

    Raises:
        DataError: No word remains.
    """
    words, counts = count_words(Tokenizer(config).columns(texts))
    words = words[: int(np.count_nonzero(counts >= config.min_count))][: config.max_size]
    if not words:
        raise DataError(
            f"expected words in the training texts, found none that occur {config.min_count} times or more; "
            "check the text column or lower min_count"
        )
    return Vocabulary(words)
