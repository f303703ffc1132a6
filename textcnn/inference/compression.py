"""A smaller model: fewer dimensions, fewer bits, and the rarest words and weakest n-grams left out."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from textcnn.errors import ConfigError
from textcnn.inference._look_up_table import AT_ONCE
from textcnn.inference.artifact import Artifact, artifact_files
from textcnn.inference.codes import BITS, NGRAMS, TABLE, Compression, compressed, scale_of
from textcnn.inference.scorer import NGRAM_ROWS, Scorer, ngram_rows, word_rows
from textcnn.settings.architectures import architecture_of
from textcnn.targets import ONE_CLASS
from textcnn.text.vocabulary import FIRST_WORD

_CHANNELS = ("channels.fixed", "channels.tuned")
_DIMENSIONS = (100, 50, 25)  # of word vectors, tried in this order
_SMALLEST = 1e-12  # of the largest square
_STEPS = 12  # halvings of the range of shares: to a quarter of a thousandth


def compress(model: Artifact, *, bits: int = 8, max_mb: float | None = None) -> Artifact:
    """Return a smaller model that gives almost the same answers.

    Word vectors that are multiplied with whole filters (Kim's network, the stacked one) get 100 dimensions, and where
    the model is still too large 50, then 25 (`_narrowed`). Numbers are rounded to `bits` bits, and so are those of the
    table that Kim's network with max pooling looks words up in. Where all that is not small enough, the same share of
    the words and of the n-grams is left out: the words last in the vocabulary, which are the rarest (those of a file of
    word vectors that are in no training text come after them); and the n-grams that move the logits least, or have a
    word that is left out. A word that is left out is an unknown word from then on; with character n-grams,
    which all stay, it has those alone.

    Args:
        model: a trained model.
        bits: of a number: 8, or 16, whose rounding is 258 times as fine.
        max_mb: the most megabytes (millions of bytes) that the saved model may take, without its page; None keeps all
            words and n-grams.

    Raises:
        ConfigError: another number of bits, or `max_mb` is too little for a single word.
    """
    if bits not in BITS:
        raise ConfigError(f"bits: expected 8 or 16, found {bits}")
    most = math.inf if max_mb is None else max_mb * 1e6
    artifact = model
    for dimension in _DIMENSIONS if model.model.projects_words else _DIMENSIONS[:1]:
        artifact = _narrowed(artifact, dimension)  # the best 50 dimensions are among the best 100
        whole = _rounded(artifact, bits, model)
        if size_of(whole) <= most:
            return whole
    order = _by_strength(artifact)
    found = _rounded(_part(artifact, order, 0.0), bits, model)
    if size_of(found) > most:
        raise ConfigError(
            f"max_mb: expected at least {math.ceil(size_of(found) / 1e4) / 100:g}, what the model takes with one word, "
            f"found {max_mb:g}"
        )
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        smaller = _rounded(_part(artifact, order, share), bits, model)
        if size_of(smaller) <= most:
            low, found = share, smaller
        else:
            high = share
    return found


def size_of(artifact: Artifact) -> int:
    """Return the bytes of a saved model, without its page."""
    return sum(map(len, artifact_files(artifact, Path()).values()))


def _rounded(artifact: Artifact, bits: int, before: Artifact) -> Artifact:
    """Return a model with numbers of 8 or 16 bits, which says what it was made of."""
    weights, compression = compressed(artifact.weights, bits)
    scorer_class = architecture_of(artifact.model).scorer_class()
    if scorer_class.table_scale_shape(artifact.model) is not None:
        scales = {**compression.scales, TABLE: _table_scales(scorer_class(artifact.model, weights), bits)}
        compression = Compression(bits, scales)
    facts = {
        "bits": bits,
        "dimension": before.model.dimension,
        "words": len(before.words),
        "ngrams": len(before.weights.get(NGRAMS, ())),
    }
    training = {**artifact.training, "compression": facts}
    return dataclasses.replace(artifact, weights=weights, compression=compression, training=training)


def _table_scales(scorer: Scorer, bits: int) -> np.ndarray:
    """Return the scales of the table of projected words, (R, F), by the largest number of each map."""
    table = scorer.table
    largest = np.zeros(table.shape, np.float32)
    for begin in range(0, len(table.rows), AT_ONCE):
        rows = table.project(table.rows[begin : begin + AT_ONCE])  # (n, S, F)
        largest = np.maximum(largest, np.abs(rows).max(axis=0))
    return scale_of(np.maximum.reduceat(largest, scorer.slots[:-1], axis=0), bits)


def _by_strength(artifact: Artifact) -> np.ndarray:
    """Return the indices of the n-grams, those that move the logits most first, (G,)."""
    if NGRAMS not in artifact.weights:
        return np.zeros(0, np.int64)
    weights = artifact.weights["ngrams.weight"]
    if artifact.target is ONE_CLASS:  # what all classes have in common moves none of them
        weights = weights - weights.mean(axis=1, keepdims=True)
    strength = artifact.weights["ngrams.factors"] * np.abs(weights).max(axis=1)
    return np.argsort(-strength, kind="stable")


def _narrowed(artifact: Artifact, dimension: int) -> Artifact:
    """Return a model with word vectors of fewer dimensions, whose products with the filters change least.

    The products T = E W^T of word vectors (V, C D) and filters (S F, C D) are those of fewer columns up to what a
    truncated singular value decomposition leaves out (Eckart and Young 1936). The words are weighted by 1 / (1 + i),
    as often as the i-th is expected by Zipf's law, and character n-grams as a word after the last. Several channels
    become one.
    """
    model, weights = artifact.model, dict(artifact.weights)
    if not model.projects_words or model.dimension * model.channel_count <= dimension:
        return artifact
    rows = word_rows(model, weights)
    rows = rows.reshape(len(rows), -1).astype(np.float64)  # (V, C D)
    filters = weights["convolution.weight"]  # (S, F, C D)
    flat = filters.reshape(-1, filters.shape[2]).astype(np.float64)
    weighted = rows / np.sqrt(1 + np.arange(len(rows)))[:, None]
    if model.char_ngrams:
        ngrams = ngram_rows(model, weights)
        ngrams = ngrams.reshape(len(ngrams), -1).astype(np.float64)  # (B, C D)
        weighted = np.concatenate([weighted, ngrams / np.sqrt(1 + len(rows))])
    # weighted = U S V^T has the same products up to U, so that those of S V^T, which is small, are decomposed.
    squares, vectors = np.linalg.eigh(weighted.T @ weighted)
    sizes = np.sqrt(np.maximum(squares, squares.max() * _SMALLEST + np.finfo(np.float64).tiny))
    left, values, right = np.linalg.svd(sizes[:, None] * vectors.T @ flat.T, full_matrices=False)
    dimension = min(dimension, len(values))  # there may be fewer filters
    roots = np.sqrt(values[:dimension])
    basis = vectors @ (left[:, :dimension] * roots / sizes[:, None])  # (C D, dimension)
    columns = right[:dimension].T * roots  # (S F, dimension)
    for name in _CHANNELS:
        weights.pop(name, None)
    name = "channels.fixed" if model.channels == "static" else "channels.tuned"
    weights[name] = (rows @ basis).astype(np.float32)
    if model.char_ngrams:
        weights[NGRAM_ROWS] = (ngrams @ basis).astype(np.float32)
    weights["convolution.weight"] = columns.reshape(*filters.shape[:2], dimension).astype(np.float32)
    channels = "non-static" if model.channels == "multichannel" else model.channels
    return dataclasses.replace(
        artifact, weights=weights, model=dataclasses.replace(model, channels=channels, dimension=dimension)
    )


def _part(artifact: Artifact, order: np.ndarray, share: float) -> Artifact:
    """Return a model with a share of its words, at least one, and of its n-grams in an order."""
    words = max(1, math.floor(share * len(artifact.words)))
    weights = dict(artifact.weights)
    for name in _CHANNELS:
        if name in weights:
            weights[name] = weights[name][: words + FIRST_WORD]
    if NGRAMS in weights:
        rows = np.sort(order[: math.floor(share * len(order))])
        keys, known = _renumbered(weights[NGRAMS][rows], len(artifact.words) + FIRST_WORD, words + FIRST_WORD)
        weights[NGRAMS] = keys
        for name in ("ngrams.factors", "ngrams.weight"):
            weights[name] = weights[name][rows[known]]
    return dataclasses.replace(artifact, words=list(artifact.words)[:words], weights=weights)


def _renumbered(keys: np.ndarray, before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of n-grams in a vocabulary cut from `before` to `after`, and which are left, (G,) bool."""
    ids, left = [], keys
    while left.any():
        left, word = np.divmod(left, before)
        ids.append(word)  # the last first; 0 where an n-gram is shorter
    numbers, known = np.zeros_like(keys), np.ones(len(keys), bool)
    for word in reversed(ids):
        numbers = numbers * after + word
        known &= word < after
    return numbers[known], known
