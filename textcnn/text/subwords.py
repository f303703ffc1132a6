"""Character n-grams of words (Bojanowski et al. 2017, Enriching Word Vectors with Subword Information, section 3.2).

A word stands between `<` and `>`, and its n-grams are those of fastText: all runs of the shortest to the longest number
of characters, the bounds included. An n-gram is in one of `BUCKETS` buckets, by the FNV-1a hash of its UTF-8, and each
bucket has a row of its own, so that a word that training did not see has the rows of its n-grams. Buckets that no word
of the training texts is in have no row, and say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Encoded, Ngrams, offsets_of
from textcnn.text.vocabulary import UNKNOWN

BUCKETS = 1 << 15
LONGEST_WORD = 100  # characters of a word that are read: its first
_AT_ONCE = 1 << 14  # words hashed together
_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)  # FNV-1a, 32 bits


def hash_ngrams(words: Sequence[str], shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the buckets of the n-grams of W words.

    Args:
        words: Any strings.
        shortest: Number of characters of the shortest n-grams, from 1.
        longest: The same of the longest.

    Returns:
        The buckets, word by word, (M,) int32, and the number of them per word, (W,) int64.
    """
    parts = [_hash(words[i : i + _AT_ONCE], shortest, longest) for i in range(0, len(words), _AT_ONCE)]
    none = np.zeros(0, np.int32), np.zeros(0, np.int64)
    buckets, counts = zip(none, *parts, strict=True)
    return np.concatenate(buckets), np.concatenate(counts)


def _hash(words: Sequence[str], shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    bounded = [f"<{word[:LONGEST_WORD]}>" for word in words]
    content = np.frombuffer("".join(bounded).encode(), np.uint8)
    begins = np.flatnonzero((content & 0xC0) != 0x80)  # of the C characters
    sizes = np.diff(begins, append=len(content))
    lengths = np.array([*map(len, bounded)])
    ends = np.repeat(np.cumsum(lengths), lengths)  # of each character's word, (C,)
    word_of = np.repeat(np.arange(len(words)), lengths)
    first = np.arange(len(begins))  # the n-grams' first characters; those of n characters are n-grams of n + 1 too
    hashes = np.full(len(begins), _BASIS)
    found, owners = [], []
    for size in range(1, longest + 1):
        whole = first + size <= ends[first]
        first, hashes = first[whole], hashes[whole]
        added = first + size - 1
        for byte in range(int(sizes[added].max(initial=0))):
            more = np.flatnonzero(sizes[added] > byte)
            hashes[more] = (hashes[more] ^ content[begins[added[more]] + byte]) * _PRIME
        if size < shortest:
            continue
        inner = np.arange(len(first))
        if size == 1:  # a bound by itself says nothing
            inner = np.flatnonzero((first > 0) & (word_of[first - 1] == word_of[first]) & (first + 1 < ends[first]))
        found.append(hashes[inner] % BUCKETS)
        owners.append(word_of[first[inner]])
    buckets, owner = np.concatenate(found), np.concatenate(owners)
    by_word = np.argsort(owner, kind="stable")
    return buckets[by_word].astype(np.int32), np.bincount(owner, minlength=len(words))


class SubwordIndex:
    """Finds the rows of words' n-grams.

    Args:
        buckets: Those that have a row, ascending, (B,).
        sizes: Number of characters of the shortest and the longest n-grams.
    """

    def __init__(self, buckets: np.ndarray, sizes: Sequence[int]) -> None:
        self.buckets = buckets
        self.shortest, self.longest = sizes
        self._rows = np.full(BUCKETS, -1, np.int32)
        self._rows[buckets] = np.arange(len(buckets), dtype=np.int32)

    def find(self, words: Sequence[str]) -> Ngrams:
        """Return the n-grams of W words that have a row."""
        buckets, counts = hash_ngrams(words, self.shortest, self.longest)
        rows = self._rows[buckets]
        known = rows >= 0
        found = np.bincount(np.repeat(np.arange(len(counts)), counts)[known], minlength=len(counts))
        return Ngrams(rows[known], offsets_of(found), counts)


def name_unknown(
    texts: Sequence[str] | pa.ChunkedArray, encoded: Encoded, tokenizer: Tokenizer, index: SubwordIndex, first: int
) -> Encoded:
    """Return the ids of texts in which each distinct unknown word has one of its own, if it has known n-grams.

    Args:
        texts: N strings.
        encoded: Their ids.
        tokenizer: Splits them into tokens.
        index: Finds the n-grams.
        first: The first of these ids; the n-grams of the others follow (`Encoded.unseen`).
    """
    unknown = encoded.ids == UNKNOWN
    if not unknown.any():
        return encoded
    rows = np.unique(np.searchsorted(encoded.offsets, np.flatnonzero(unknown), side="right") - 1)
    distinct, numbers = _distinct(texts, rows, tokenizer, encoded.take(rows).ids == UNKNOWN)
    ngrams = index.find(distinct)
    known = np.flatnonzero(np.diff(ngrams.offsets))
    new = np.full(len(distinct), UNKNOWN, np.int32)
    new[known] = first + np.arange(len(known), dtype=np.int32)
    ids = encoded.ids.copy()
    ids[unknown] = new[numbers]
    return Encoded(ids, encoded.offsets, ngrams.take(known), [distinct[i] for i in known.tolist()])


def _distinct(
    texts: Sequence[str] | pa.ChunkedArray, rows: np.ndarray, tokenizer: Tokenizer, which: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Return the distinct tokens of those that `which` marks in the texts at `rows`, and the number of each."""
    if isinstance(texts, pa.ChunkedArray):
        chunks = [tokens.words for tokens in tokenizer.columns(texts.take(pa.array(rows)))]
        words = pa.concat_arrays(chunks).filter(pa.array(which)).dictionary_encode()
        return words.dictionary.to_pylist(), words.indices.to_numpy()
    tokens = [token.text for row in rows.tolist() for token in tokenizer.spans(texts[row])]
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(tokens[i], len(numbers)) for i in np.flatnonzero(which).tolist()]
    return [*numbers], np.array(found)
