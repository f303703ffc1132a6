"""Rules on texts and labels that need no model; `textcnn.audit.finding.KINDS` states them in words."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.audit._near_duplicates import near_pairs
from textcnn.audit.finding import (
    ALIKE,
    COMMON,
    FEW,
    LEAST_LETTERS,
    LEAST_WORDS,
    LONG,
    LONG_TOKENS,
    RARE_SCRIPT,
    SHARE,
    Finding,
    Pool,
)
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD

_SCRIPTS = (
    *(r"\p{Latin}", r"\p{Cyrillic}", r"\p{Greek}", r"\p{Arabic}", r"\p{Hebrew}", r"\p{Devanagari}", r"\p{Bengali}"),
    *(r"\p{Tamil}", r"\p{Thai}", r"\p{Hangul}", r"\p{Armenian}", r"\p{Georgian}", r"[\p{Han}\p{Hiragana}\p{Katakana}]"),
)


def conflicts(pool: Pool, first: np.ndarray) -> Iterator[Finding]:
    """Yield the equal texts with different labels.

    Args:
        pool: N texts.
        first: row of the first text that equals each, (N,).
    """
    meant = pool.meant
    pairs = np.unique(first * len(pool.names) + meant) // len(pool.names)
    several, counts = np.unique(pairs, return_counts=True)
    groups = defaultdict(list)
    for row in np.flatnonzero(np.isin(first, several[counts > 1])).tolist():
        groups[first[row]].append(row)
    for rows in groups.values():
        labels = meant[rows].tolist()
        (label, most), (_, less), *_ = Counter(labels).most_common()
        first_of = dict(zip(labels[::-1], rows[::-1], strict=True))  # row by label
        for row, own in zip(rows, labels, strict=True):
            suggested = label if most > less and label != own else None
            yield pool.finding("equal", row, label=suggested, other=min(first_of[k] for k in first_of if k != own))


def near_conflicts(pool: Pool, first: np.ndarray, encoded: Encoded) -> Iterator[Finding]:
    """Yield each text with the nearest one of another label; equal texts are passed over."""
    meant = pool.meant
    # One text of each label stands for those that equal it.
    _, rows = np.unique(first * len(pool.names) + meant, return_index=True)
    one, other, similarity = near_pairs(encoded.take(rows), meant[rows], ALIKE)
    differ = first[rows[one]] != first[rows[other]]
    one, other, similarity = rows[one[differ]], rows[other[differ]], similarity[differ]
    row, partner = np.concatenate([one, other]), np.concatenate([other, one])
    similarity = np.tile(similarity, 2)
    order = np.lexsort((partner, -similarity, row))
    nearest = order[np.unique(row[order], return_index=True)[1]]  # of each row the first
    for i in nearest[np.argsort(-similarity[nearest], kind="stable")].tolist():
        yield pool.finding("near", int(row[i]), score=float(similarity[i]), other=int(partner[i]))


def overlaps(pool: Pool, first: np.ndarray) -> Iterator[Finding]:
    """Yield the texts that a later split has too, with the first such text there."""
    seen: set[int] = set()
    for earlier, later in itertools.combinations(range(len(pool.splits)), 2):
        there = np.flatnonzero(pool.split_of == later)
        own = dict(zip(first[there][::-1].tolist(), there[::-1].tolist(), strict=True))
        for row in np.flatnonzero((pool.split_of == earlier) & np.isin(first, first[there])).tolist():
            if row not in seen:
                seen.add(row)
                yield pool.finding("overlap", row, other=own[first[row]])


def lengths(pool: Pool, tokens: np.ndarray) -> Iterator[Finding]:
    """Yield empty and overlong texts by their numbers of tokens, (N,)."""
    for row in np.flatnonzero(tokens == 0).tolist():
        yield pool.finding("empty", row)
    bound = max(LONG * float(np.median(tokens)), LONG_TOKENS)
    for row in np.flatnonzero(tokens > bound).tolist():
        yield pool.finding("long", row, score=float(tokens[row]))


def scripts(pool: Pool) -> Iterator[Finding]:
    """Yield the texts in a script that few texts are in."""
    counts = np.zeros((len(pool.texts), len(_SCRIPTS) + 1), np.int64)  # the last column is all letters
    counts[:, [0, -1]] = pc.count_substring_regex(pool.texts, "[A-Za-z]").to_numpy()[:, None]
    wide = pc.invert(pc.string_is_ascii(pool.texts))
    others = pool.texts.filter(wide)
    for column, pattern in enumerate((*_SCRIPTS, r"\pL")):
        counts[wide.to_numpy(zero_copy_only=False), column] = pc.count_substring_regex(others, pattern).to_numpy()
    by_script, letters = counts[:, :-1], counts[:, -1]  # (N, S), (N,)
    shares = by_script / np.maximum(letters, 1)[:, None]
    leading = shares.argmax(axis=1)
    some = (letters >= LEAST_LETTERS) & (shares.max(axis=1) > 0.5)
    texts_in = np.bincount(leading[some], minlength=len(_SCRIPTS))
    rare = texts_in < RARE_SCRIPT * max(texts_in.sum(), 1)
    for row in np.flatnonzero(some & rare[leading]).tolist():
        yield pool.finding("script", row, score=float(shares[row, leading[row]]))


def languages(pool: Pool, encoded: Encoded, words: list[str]) -> Iterator[Finding]:
    """Yield the texts that lack the common words of the others.

    Args:
        pool: N texts.
        encoded: their ids in a vocabulary of all words.
        words: that vocabulary, (W,).
    """
    text_of = np.repeat(np.arange(len(encoded.lengths)), encoded.lengths)
    word_of = encoded.ids - FIRST_WORD
    has_letter = pc.match_substring_regex(pa.array(words, pa.string()), r"\pL").to_numpy(zero_copy_only=False)
    kept = has_letter[word_of]
    text_of, word_of = text_of[kept], word_of[kept]
    distinct = np.unique(text_of * len(words) + word_of)
    texts_with = np.bincount(distinct % len(words), minlength=len(words))  # (W,)
    common = np.zeros(len(words), bool)
    common[np.argsort(-texts_with, kind="stable")[:COMMON]] = True
    counts = np.bincount(text_of, minlength=len(encoded.lengths))
    share = np.bincount(text_of, common[word_of], len(encoded.lengths)) / np.maximum(counts, 1)  # (N,)
    some = counts >= LEAST_WORDS
    if not some.any():
        return
    relative = share / max(float(np.median(share[some])), 1e-9)
    rows = np.flatnonzero(some & (relative < SHARE))
    for row in rows[np.argsort(relative[rows], kind="stable")].tolist():
        yield pool.finding("language", row, score=float(relative[row]))


def spellings(pool: Pool) -> Iterator[Finding]:
    """Yield the texts whose label has a more frequent spelling."""
    for row in np.flatnonzero(pool.meant != pool.labels).tolist():
        yield pool.finding("spelling", row, label=int(pool.meant[row]))


def small_classes(pool: Pool) -> Iterator[Finding]:
    """Yield the training texts of classes that have few."""
    counts = np.bincount(pool.meant[pool.split_of == 0], minlength=len(pool.names))
    rows = np.flatnonzero((pool.split_of == 0) & (counts[pool.meant] < FEW))
    for row in rows[np.argsort(pool.meant[rows], kind="stable")].tolist():
        yield pool.finding("small", row, score=float(counts[pool.meant[row]]))
