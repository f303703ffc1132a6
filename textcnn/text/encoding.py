"""Columns of texts to flat ids.

If the compiled loops are available, one of them turns a text's bytes into ids in a single pass. It handles the grammars
`unicode` and `whitespace` for characters that do not depend on their neighbours (`easy_characters`); texts with other
characters, and all texts in the other grammars, go through `Tokenizer.columns`. Tests show that all paths agree.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate

import numpy as np
import pyarrow as pa

from textcnn import kernels
from textcnn.text._characters import APOSTROPHE, CONTROL, FLAG, JAMO, JOINER, SPACE, WORD, ZWJ, classes
from textcnn.text.tokenizer import Tokenizer, lower
from textcnn.text.tokens import Encoded, Tokens, text_lengths
from textcnn.text.vocabulary import FIRST_WORD, UNKNOWN, Vocabulary

# The kinds of characters in the compiled loop (the enumeration in `_texts.h`).
_SEPARATOR, _SINGLE, _WORD, _APOSTROPHE, _DIFFICULT = range(5)
_CHARACTERS = 0x2070  # all from here on are difficult; alphabets and their punctuation come before


def encode_texts(texts: pa.ChunkedArray | pa.Array, tokenizer: Tokenizer, vocabulary: Vocabulary) -> Encoded:
    """Return the ids of a column of strings.

    Args:
        texts: N strings without nulls.
        tokenizer: Splits them into tokens.
        vocabulary: Gives the tokens their ids.

    Returns:
        Flat ids (int32) and offsets (int64).
    """
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    encode = _encode_compiled if _compiled(tokenizer) else _encode_columns
    parts = [encode(chunk.cast(pa.large_string()), tokenizer, vocabulary) for chunk in chunks if len(chunk)]
    return _joined([ids for ids, _ in parts], [lengths for _, lengths in parts])


def encode_few(texts: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, *, warm: bool) -> Encoded:
    """Return the ids of a few strings at a low fixed cost.

    Args:
        texts: N strings.
        tokenizer: Splits them into tokens.
        vocabulary: Gives the tokens their ids.
        warm: Whether more calls will follow, so that building the tables of the compiled loop pays off.

    Returns:
        Flat ids (int32) and offsets (int64).
    """
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
    """Return the ids of N texts and the number of tokens per text, (N,)."""
    ids: list[np.ndarray] = []

    def encoded() -> Iterator[Tokens]:
        for tokens in tokenizer.columns(texts):
            ids.append(vocabulary.encode(tokens.words))
            yield tokens

    lengths = text_lengths(encoded())
    return np.concatenate(ids), lengths


def _encode_compiled(
    texts: pa.LargeStringArray, tokenizer: Tokenizer, vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `_encode_columns` returns, from the compiled loop for easy texts."""
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
    """Return the ids of the easy texts and the number of tokens per text, (N,); -1 for difficult texts."""
    config = tokenizer.config
    kinds, lowered = easy_characters(config.tokenizer, config.lowercase)
    return vocabulary.table.encode(
        data, offsets, kinds, lowered, limit=config.max_length, first_word=FIRST_WORD, unknown=UNKNOWN
    )


@cache
def easy_characters(grammar: str, lowercase: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the tables of the compiled loop for the first `_CHARACTERS` characters C.

    Difficult are those that join the character before them, and those that NFC changes or may compose with another.

    Args:
        grammar: `unicode` or `whitespace`.
        lowercase: Whether to lower-case.

    Returns:
        The kind of each character, (C,) uint8, and its lower case, (C,) uint32.
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
        if code in JAMO or not unicodedata.is_normalized("NFC", chr(code)):
            kinds[code] = _DIFFICULT
    if lowercase:
        lowered = np.array([ord(lower(chr(code))) for code in range(_CHARACTERS)], np.uint32)
    return kinds, lowered
