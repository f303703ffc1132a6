"""Networks whose logits are a sum over windows: an exact decomposition into words and features.

A pooled feature traces to one window (to all of them with average pooling). Its response is the filter's bias plus one
look-up per word of the window, and a logit is a sum over features: the Kim CNN (2014) with ReLU or no activation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from textcnn.explain.results import Features
from textcnn.inference.scorer import Scorer, Terms


@dataclass(frozen=True)
class Decomposition:
    """A text's logits as a sum: by word (L, K) and the rest (K,); and by feature, without the softmax bias."""

    word_parts: np.ndarray
    bias: np.ndarray
    features: Features


def decompose(scorer: Scorer, ids: np.ndarray) -> Decomposition:
    """Return the logits of one text as a sum.

    Args:
        scorer: one that is `exact`.
        ids: the text's word ids, (L,) int32.
    """
    classes, length = len(scorer.softmax_bias), len(ids)
    word_parts = np.zeros((length, classes))
    bias = scorer.softmax_bias.astype(np.float64)
    if not length:
        return Decomposition(word_parts, bias, Features.none(classes))
    table, rows = scorer.table.look_up(ids)  # (n, S, F), (L,)
    found = []
    for region, (size, terms) in enumerate(zip(scorer.region_sizes, scorer.terms(ids), strict=True)):
        begins = terms.windows - (size - 1 if scorer.wide else 0)  # negative in the padding
        found.append(_features(terms, begins, size, length))
        bias += terms.weights.T @ scorer.bias[region][terms.maps]
        for j in range(size):
            word = begins + j  # (M,)
            real = (word >= 0) & (word < length)
            values = table[rows[word[real]], scorer.slots[region] + j, terms.maps[real]]
            for k in range(classes):
                word_parts[:, k] += np.bincount(word[real], values * terms.weights[real, k], length)
    return Decomposition(word_parts, bias, Features.joined(found))


def _features(terms: Terms, begins: np.ndarray, size: int, length: int) -> Features:
    """Return the terms of one region size as features."""
    maps, responses = terms.maps, terms.responses.astype(np.float64)
    parts = responses[:, None] * terms.weights  # (M, K)
    if terms.together:
        begins, group = np.unique(begins, return_inverse=True)
        parts = np.stack([np.bincount(group, column, len(begins)) for column in parts.T], axis=1)
        responses = np.bincount(group, responses, len(begins)).astype(np.float64)
        maps = np.full(len(begins), -1)
    return Features(
        begin=np.maximum(begins, 0),
        end=np.minimum(begins + size, length),
        region_size=np.full(len(begins), size),
        feature_map=maps,
        response=responses,
        parts=parts,
    )
