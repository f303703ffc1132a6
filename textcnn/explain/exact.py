"""Kim's network with ReLU or no activation: the logits as an exact sum over windows and words.

A pooled feature traces to one window (to all of them with average pooling), its response is the filter's bias and a sum
of one look-up for each word of the window, and a logit is a sum over features. With ReLU a feature whose
response is not positive adds nothing, and its bias neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from textcnn.explain.results import Features
from textcnn.inference.scorers import KimScorer
from textcnn.settings.config import KimConfig


@dataclass(frozen=True)
class Sum:
    """A text's logits as a sum: by word (L, K), what no word brings (K,), and by feature."""

    word_parts: np.ndarray
    bias: np.ndarray
    features: Features


@dataclass(frozen=True)
class _Pooled:
    """Windows that pooling took, M of them: the window, the filter, its response and its weights (M, K)."""

    windows: np.ndarray
    maps: np.ndarray
    responses: np.ndarray
    weights: np.ndarray


def is_exact(config: object) -> bool:
    """Whether a network's logits are such a sum."""
    return isinstance(config, KimConfig) and config.activation in ("relu", "identity")


def decompose(scorer: KimScorer, ids: np.ndarray) -> Sum:
    """The logits of one text as a sum.

    Args:
        scorer: of the network.
        ids: the text's word ids, (L,) int32.
    """
    config, classes = scorer.config, len(scorer.softmax_bias)
    word_parts = np.zeros((len(ids), classes))
    bias = scorer.softmax_bias.astype(np.float64)
    if not len(ids):
        return Sum(word_parts, bias, no_features(classes))
    table, places = scorer.table.look_up(ids)
    look_ups = table[places]  # (L, S, F)
    found, slot = [], 0
    weights = scorer.weights.reshape(classes, len(config.region_sizes), -1, config.feature_maps)  # (K, R, k, F)
    for region, size in enumerate(config.region_sizes):
        left = size - 1 if config.padding == "wide" else 0
        own = look_ups[:, slot : slot + size]  # (L, h, F)
        pooled = _pool(responses(own, left) + scorer.bias[region], weights[:, region], config)
        found.append(_features(pooled, size, left, len(ids), together=config.pooling == "average"))
        bias += pooled.weights.T @ scorer.bias[region][pooled.maps]
        for j in range(size):
            word = pooled.windows + j - left  # (M,)
            real = (word >= 0) & (word < len(ids))
            values = own[word[real], j, pooled.maps[real]][:, None] * pooled.weights[real]  # (M, K)
            for k in range(classes):
                word_parts[:, k] += np.bincount(word[real], values[:, k], len(ids))
        slot += size
    return Sum(word_parts, bias, joined(found))


def responses(look_ups: np.ndarray, left: int) -> np.ndarray:
    """Sums of look-ups of every window, without bias, (P, F).

    Args:
        look_ups: of the text's words in each slot, (L, h, F).
        left: words of padding before the first window's first real one; the same on the right, and as many as
            a text shorter than the region lacks.
    """
    length, size, maps = look_ups.shape
    windows = max(length + 2 * left - size + 1, 1)  # P
    total = np.zeros((windows, maps), np.float32)
    for j in range(size):
        # Window p has word p + j - left at slot j.
        first, last = max(left - j, 0), min(windows, length + left - j)
        if first < last:
            total[first:last] += look_ups[first + j - left : last + j - left, j]
    return total


def _pool(responses: np.ndarray, weights: np.ndarray, config: KimConfig) -> _Pooled:
    """What pooling takes of the responses (P, F), given the softmax weights (K, k, F), without inactive features."""
    windows, maps = responses.shape
    if config.activation == "relu":
        responses = np.maximum(responses, 0)
    if config.pooling == "average":
        kept = np.repeat(np.arange(windows)[:, None], maps, axis=1)  # (P, F)
        of_kept = np.broadcast_to(weights / windows, (len(weights), windows, maps))
    else:
        k = config.k if config.pooling == "k-max" else 1
        kept = np.sort(np.argsort(-responses, axis=0, kind="stable")[:k], axis=0)  # (k, F), of equals the first
        of_kept = weights[:, : len(kept)]
    of_kept = of_kept.reshape(len(weights), -1).T  # (M, K)
    kept_maps = np.broadcast_to(np.arange(maps), kept.shape)
    values = responses[kept, kept_maps].ravel()
    active = values > 0 if config.activation == "relu" else np.ones(len(values), bool)
    return _Pooled(kept.ravel()[active], kept_maps.ravel()[active], values[active], of_kept[active].astype(np.float64))


def _features(pooled: _Pooled, size: int, left: int, length: int, *, together: bool) -> Features:
    """The features of one region size; `together` adds up those of a window."""
    windows, maps, responses = pooled.windows, pooled.maps, pooled.responses
    parts = responses[:, None] * pooled.weights  # (M, K)
    if together:
        windows, first, group = np.unique(windows, return_index=True, return_inverse=True)
        parts = np.stack([np.bincount(group, column, len(windows)) for column in parts.T], axis=1)
        responses = np.bincount(group, responses, len(windows))
        maps = np.full(len(first), -1)
    return Features(
        begin=np.maximum(windows - left, 0),
        end=np.minimum(windows - left + size, length),
        region_size=np.full(len(windows), size),
        feature_map=maps,
        response=responses.astype(np.float64),
        parts=parts,
    )


def no_features(classes: int) -> Features:
    """None at all."""
    empty = np.zeros(0, np.int64)
    return Features(empty, empty, empty, empty, np.zeros(0), np.zeros((0, classes)))


def joined(features: list[Features]) -> Features:
    """Features one after the other."""
    return Features(**{name: np.concatenate([vars(part)[name] for part in features]) for name in vars(features[0])})
