"""Texts that occur several times, and the groups that keep them on one side of a split."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data.labelled import Labelled
from textcnn.data.splits import loosened, stratified_folds

_HEAD = 64  # characters: only texts that begin alike are compared as a whole
_MAY_COMPOSE = r"[^\x{0}-\x{2FF}]"


def first_equal(texts: pa.ChunkedArray) -> np.ndarray:
    """Return for each text the row of the first one that equals it, which may be itself.

    Case, white space around a text and the composition of its characters make no difference: a model that lower-cases,
    as by default, cannot tell such texts apart.

    Args:
        texts: A column of N strings.

    Returns:
        Row indices, (N,) int64.
    """
    trimmed = pc.utf8_trim_whitespace(_composed(texts.cast(pa.large_string())))
    heads = _codes(pc.utf8_lower(pc.utf8_slice_codeunits(trimmed, 0, _HEAD)))
    rows = np.flatnonzero(np.bincount(heads)[heads] > 1)
    first = np.arange(len(texts))
    _, where, inverse = np.unique(
        _codes(pc.utf8_lower(trimmed.take(pa.array(rows)))), return_index=True, return_inverse=True
    )
    first[rows] = rows[where[inverse]]
    return first


def groups_for_split(part: Labelled, parts: int) -> np.ndarray | None:
    """Return the groups that a split into parts must not divide.

    Args:
        part: N labelled texts. If they have groups, these alone decide: equal texts in different groups may be parted.
        parts: How many parts there will be, each with texts of every class.

    Returns:
        Groups, (N,), in which equal texts are together, but those of a class with fewer distinct texts than parts,
        which could not be split; None if no two texts are equal.
    """
    if part.groups is not None:
        return part.groups
    first = first_equal(part.texts)
    if (first == np.arange(len(first))).all():
        return None
    return loosened(part.labels, first, parts)


def folds_of(part: Labelled, folds: int, seed: int) -> list[np.ndarray]:
    """Return the rows of each fold of labelled texts, stratified; equal texts and groups stay together.

    Args:
        part: N labelled texts. A class with fewer texts than folds is missing in some.
        folds: How many, at most; none is empty.
        seed: 0 or more.
    """
    found = stratified_folds(part.labels, folds, seed, groups_for_split(part, 2), scarce=True)
    return [rows for rows in found if len(rows)]


def _composed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts in Unicode's composed form (NFC); those of smaller characters than the first mark are in it."""
    rows = pc.indices_nonzero(pc.invert(pc.string_is_ascii(texts)))
    rows = rows.filter(pc.match_substring_regex(texts.take(rows), _MAY_COMPOSE))
    if not len(rows):
        return texts
    mask = np.zeros(len(texts), bool)
    mask[rows.to_numpy()] = True
    composed = pc.utf8_normalize(texts.take(rows), form="NFC")
    return pc.replace_with_mask(texts, pa.array(mask), composed.combine_chunks())


def _codes(texts: pa.ChunkedArray) -> np.ndarray:
    """Return a number for each text, the same for the same text, (N,)."""
    encoded = texts.dictionary_encode().unify_dictionaries()
    return np.concatenate([np.zeros(0, np.int64), *(chunk.indices.to_numpy() for chunk in encoded.chunks)])
