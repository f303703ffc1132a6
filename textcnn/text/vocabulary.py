"""The words that a model knows, and their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn import kernels
from textcnn.errors import DataError
from textcnn.settings.config import TextConfig
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Token, Tokens

PAD, UNKNOWN = 0, 1  # ids; words begin at 2


FIRST_WORD = 2


class Vocabulary:
    """The words a model knows, ids from 2; 0 is padding and 1 any unknown word.

    Args:
        words: distinct words, in the order of their ids.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self._ids = {word: i for i, word in enumerate(self.words, FIRST_WORD)}

    @cached_property
    def _column(self) -> pa.Array:
        return pa.array(self.words, pa.string())

    @cached_property
    def table(self) -> kernels.WordTable:
        """The words for the compiled loops, where they are there."""
        column = self._column.cast(pa.large_string())
        _, offsets, data = column.buffers()
        return kernels.WordTable(
            np.frombuffer(data or b"", np.uint8), np.frombuffer(offsets, np.int64)[: len(self.words) + 1]
        )

    def __len__(self) -> int:
        """Ids in all, padding and the unknown word among them."""
        return len(self.words) + FIRST_WORD

    def encode(self, words: pa.Array) -> np.ndarray:
        """Ids of a column of words, shape (N,), int32."""
        found = pc.index_in(words, value_set=self._column)
        ids = (
            found.to_numpy(zero_copy_only=False)
            if not found.null_count
            else pc.fill_null(found, UNKNOWN - FIRST_WORD).to_numpy()
        )
        return ids + np.int32(FIRST_WORD)

    def ids(self, tokens: Iterable[Token]) -> list[int]:
        """Ids of a few tokens."""
        return [self._ids.get(token.text, UNKNOWN) for token in tokens]


def count_words(chunks: Iterable[Tokens]) -> tuple[list[str], np.ndarray]:
    """Distinct words and how often each occurs, the most frequent first (ties by code point)."""
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
    """The vocabulary of the training texts: at least `min_count` times, the `max_size` most frequent.

    Raises:
        DataError: no word is left.
    """
    words, counts = count_words(Tokenizer(config).columns(texts))
    words = words[: int(np.count_nonzero(counts >= config.min_count))][: config.max_size]
    if not words:
        raise DataError(
            f"expected words in the training texts, found none that occur {config.min_count} times or more; "
            "check the text column or lower min_count"
        )
    return Vocabulary(words)
