"""Columns of texts to flat ids.

Where the compiled loops are there, one of them takes a text's bytes to ids in one sweep. It knows the
grammars `unicode` and `whitespace` for the characters that need no look at their neighbours
(`easy_characters`); a text with others goes the way of `Tokenizer.columns`, as all texts do in the
other grammars. Tests hold the ways equal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np
import pyarrow as pa

from textcnn import kernels
from textcnn.text._characters import APOSTROPHE, CONTROL, FLAG, JOINER, SPACE, WORD, ZWJ, classes
from textcnn.text.tokenizer import Tokenizer, lower
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD, UNKNOWN, Vocabulary

# What a character is to the compiled loop (the enumeration in `_kernels.c`).
_SEPARATOR, _SINGLE, _WORD, _APOSTROPHE, _DIFFICULT = range(5)
_CHARACTERS = 0x2070  # those behind are difficult: alphabets with their punctuation come before
_JAMO = range(0x1100, 0x1200)  # two of them may make one character, without a mark among them


def encode_texts(texts: pa.ChunkedArray | pa.Array, tokenizer: Tokenizer, vocabulary: Vocabulary) -> Encoded:
    """A whole column of strings as flat ids (int32) and offsets (int64)."""
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    way = _encode_compiled if _compiled(tokenizer) else _encode_columns
    parts = [way(chunk.cast(pa.large_string()), tokenizer, vocabulary) for chunk in chunks if len(chunk)]
    return _joined([ids for ids, _ in parts], [lengths for _, lengths in parts])


def encode_few(texts: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, *, warm: bool) -> Encoded:
    """A few strings as flat ids, at little cost to start; `warm` where more will follow, so that tables pay."""
    if warm and _compiled(tokenizer):
        parts = [text.encode() for text in texts]
        data = np.frombuffer(b"".join(parts), np.uint8)
        offsets = np.array([0, *accumulate(map(len, parts))])
        flat, lengths = _sweep(data, offsets, tokenizer, vocabulary)
        if (lengths >= 0).all():
            return _joined([flat], [lengths])
    ids = [vocabulary.ids(tokenizer.spans(text)) for text in texts]
    return Encoded(np.array([i for text in ids for i in text], dtype=np.int32), np.cumsum([0, *map(len, ids)]))


def _compiled(tokenizer: Tokenizer) -> bool:
    return kernels.compiled and tokenizer.config.tokenizer in ("unicode", "whitespace")


def _joined(ids: list[np.ndarray], lengths: list[np.ndarray]) -> Encoded:
    offsets = np.zeros(sum(map(len, lengths)) + 1, np.int64)
    if lengths:
        np.cumsum(np.concatenate(lengths), out=offsets[1:])
    return Encoded(np.concatenate(ids) if ids else np.zeros(0, np.int32), offsets)


def _encode_columns(
    texts: pa.LargeStringArray, tokenizer: Tokenizer, vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and the tokens of each text."""
    chunks = [(vocabulary.encode(tokens.words), tokens.lengths) for tokens in tokenizer.columns(texts)]
    return np.concatenate([ids for ids, _ in chunks]), np.concatenate([lengths for _, lengths in chunks])


def _encode_compiled(
    texts: pa.LargeStringArray, tokenizer: Tokenizer, vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
    """The same through the compiled loop, and `_encode_columns` for difficult texts."""
    _, ends, data = texts.buffers()
    offsets = np.frombuffer(ends, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    ids, lengths = _sweep(np.frombuffer(data or b"", np.uint8), offsets, tokenizer, vocabulary)
    difficult = lengths < 0
    if not difficult.any():
        return ids, lengths
    others, lengths[difficult] = _encode_columns(texts.filter(pa.array(difficult)), tokenizer, vocabulary)
    mixed = np.empty(int(lengths.sum()), np.int32)
    of_others = np.repeat(difficult, lengths)
    mixed[of_others], mixed[~of_others] = others, ids
    return mixed, lengths


def _sweep(
    data: np.ndarray, offsets: np.ndarray, tokenizer: Tokenizer, vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the easy texts and the tokens of each text, -1 for the difficult ones."""
    config = tokenizer.config
    kinds, lowered = easy_characters(config.tokenizer, config.lowercase)
    return vocabulary.table.encode(
        data, offsets, kinds, lowered, limit=config.max_length, first_word=FIRST_WORD, unknown=UNKNOWN
    )


@cache
def easy_characters(grammar: str, lowercase: bool) -> tuple[np.ndarray, np.ndarray]:
    """What the first characters are to the compiled loop, uint8, and what lower-casing makes of them, uint32.

    Difficult are those that join the character before them or that NFC changes or may join with another.
    """
    whitespace = grammar == "whitespace"
    kinds = np.full(_CHARACTERS, _WORD if whitespace else _SINGLE, np.uint8)
    table = classes()[:_CHARACTERS]
    kinds[table == SPACE] = _SEPARATOR
    if not whitespace:
        kinds[table == CONTROL] = _SEPARATOR
        kinds[table == WORD] = _WORD
        kinds[table == APOSTROPHE] = _APOSTROPHE
    kinds[np.isin(table, (JOINER, ZWJ, FLAG))] = _DIFFICULT
    lowered = np.arange(_CHARACTERS, dtype=np.uint32)
    for code in range(0x80, _CHARACTERS):
        if code in _JAMO or not unicodedata.is_normalized("NFC", chr(code)):
            kinds[code] = _DIFFICULT
    if lowercase:
        lowered = np.array([ord(lower(chr(code))) for code in range(_CHARACTERS)], np.uint32)
    return kinds, lowered
