"""What each filter of the first layer responds to: the n-grams of texts that it picks, and the n-gram that it wants.

A response is a sum of one look-up for each position. So the input that excites a filter most, for which networks
on images need gradient ascent, has a closed form: at each position the word whose look-up is the largest. The n-grams
of texts are those that pooling picks: each text counts once, with its strongest window (Kalchbrenner et al. 2014,
section 5.5, shows such for a DCNN).

A filter of the DCNN is one row of a feature map after folding: it has a response of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn import kernels
from textcnn.explain.exact import responses
from textcnn.explain.results import relative
from textcnn.inference.scorers import DCNNScorer
from textcnn.settings.config import KimConfig
from textcnn.text.encoding import encode_texts
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.inference.predictor import Predictor

AT_ONCE = 1024  # words whose look-ups are made together


@dataclass(frozen=True)
class Picked:
    """An n-gram of the texts, in the words of the model, the filter's response to it, and how many texts have it."""

    text: str
    response: float
    count: int


@dataclass(frozen=True)
class Filter:
    """A filter.

    Attributes:
        name: region size, number of the feature map and, of a DCNN, of the row.
        classes: score for each class of a response of 1, (K,), less the mean of the classes; None where the layers
            above take part in it.
        active: share of the texts with words whose pooled response is above 0.
        mean: pooled response, over these texts.
        picked: its strongest n-grams.
        wants: the word with the largest look-up at each position, (h,).
        most: the response to them: no text gets more.
    """

    name: str
    classes: np.ndarray | None
    active: float
    mean: float
    picked: tuple[Picked, ...]
    wants: tuple[str, ...]
    most: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            **vars(self),
            "classes": None if self.classes is None else self.classes.tolist(),
            "picked": [vars(picked) for picked in self.picked],
        }


def describe_filters(
    predictor: Predictor, texts: pa.ChunkedArray, *, most: int = 10, ngrams: int = 5, word: str | None = None
) -> list[Filter]:
    """The most important filters of a model's first layer, in that order.

    Important is a filter whose pooled response, times the largest of its scores for a class where it has such, is
    large on average.

    Args:
        predictor: the model.
        texts: a column of strings.
        most: how many filters.
        ngrams: how many n-grams of each.
        word: order the filters by this word instead: by its largest look-up, measured in standard deviations of the
            vocabulary's at that position.

    Raises:
        ValueError: the model does not know the word.
    """
    scorer = predictor.scorer
    config = predictor.artifact.model
    sizes = config.region_sizes if isinstance(config, KimConfig) else config.region_sizes[:1]
    bias = (
        np.zeros((1, scorer.table.shape[1])) if isinstance(scorer, DCNNScorer) else scorer.bias.reshape(len(sizes), -1)
    )
    maps = bias.shape[1]
    encoded = encode_texts(texts, predictor.tokenizer, predictor.vocabulary)
    wide = not isinstance(config, KimConfig) or config.padding == "wide"
    best, where = _largest(predictor, encoded, sizes, wide=wide)  # (N, R F)
    best = best + bias.ravel()
    some = encoded.lengths > 0
    positive = np.maximum(best[some], 0)
    means = positive.mean(axis=0) if some.any() else np.zeros(best.shape[1])
    scores = None
    if isinstance(config, KimConfig) and config.pooling == "max":
        scores = relative(predictor.artifact.weights["softmax.weight"].T)  # (R F, K)
    wanted = _wanted(predictor)
    if word is not None:
        order = np.argsort(-_by_word(predictor, word, wanted, sizes), kind="stable")
    else:
        weight = 1.0 if scores is None else np.abs(scores).max(axis=1)
        order = np.argsort(-means * weight, kind="stable")
    slots = np.concatenate([[0], np.cumsum(sizes)])
    out = []
    for number in order[:most].tolist():
        region, feature_map = divmod(number, maps)
        own = slice(slots[region], slots[region + 1])
        left = sizes[region] - 1 if wide else 0
        out.append(
            Filter(
                name=_name(predictor, sizes[region], feature_map),
                classes=None if scores is None else scores[number],
                active=float((best[some, number] > 0).mean()) if some.any() else 0.0,
                mean=float(means[number]),
                picked=_picked(predictor, encoded, best[:, number], where[:, number], sizes[region], left, ngrams),
                wants=tuple(predictor.artifact.words[i] for i in wanted.words[own, feature_map]),
                most=float(wanted.values[own, feature_map].sum() + bias[region, feature_map]),
            )
        )
    return out


def _name(predictor: Predictor, size: int, number: int) -> str:
    config = predictor.artifact.model
    if not isinstance(predictor.scorer, DCNNScorer):
        return f"{size}-{number}"
    feature_map, row = divmod(number, config.dimension // 2)
    return f"{size}-{feature_map}, row {row}"


def _largest(
    predictor: Predictor, texts: Encoded, sizes: Sequence[int], *, wide: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Each text's largest response of each filter, without bias, and the token at which its window begins."""
    table, ids = predictor.scorer.table.look_up(texts.ids)
    if kernels.compiled:
        return kernels.max_windows(table, ids, texts.offsets, np.array(sizes, np.int32), wide=wide, places=True)
    maps = table.shape[2]
    best = np.zeros((len(texts.lengths), len(sizes) * maps), np.float32)
    where = np.zeros(best.shape, np.int32)
    for row in np.flatnonzero(texts.lengths):
        own = table[ids[texts.offsets[row] : texts.offsets[row + 1]]]  # (L, S, F)
        slot = 0
        for region, size in enumerate(sizes):
            left = size - 1 if wide else 0
            found = responses(own[:, slot : slot + size], left)  # (P, F)
            columns = slice(region * maps, (region + 1) * maps)
            first = found.argmax(axis=0)
            best[row, columns] = found[first, np.arange(maps)]
            where[row, columns] = first - left
            slot += size
    return best, where


def _picked(
    predictor: Predictor, texts: Encoded, best: np.ndarray, where: np.ndarray, size: int, left: int, most: int
) -> tuple[Picked, ...]:
    """The strongest n-grams of one filter, each once."""
    found: dict[tuple[int, ...], list[float]] = {}
    for row in np.argsort(-best, kind="stable").tolist():
        begin, end = texts.offsets[row], texts.offsets[row + 1]
        if begin == end:
            continue
        first = begin + max(int(where[row]), 0)
        gram = tuple(texts.ids[first : min(begin + int(where[row]) + size, end)].tolist())
        if gram not in found and len(found) == most:
            break  # none that comes later is as strong
        found.setdefault(gram, []).append(float(best[row]))
    words = predictor.artifact.words
    return tuple(
        Picked(" ".join(words[i - FIRST_WORD] if i >= FIRST_WORD else "?" for i in gram), responses[0], len(responses))
        for gram, responses in found.items()
    )


@dataclass(frozen=True)
class _Wanted:
    """At each slot and filter the word of the largest look-up, the look-up, and the deviation of all words', (S, F)."""

    words: np.ndarray
    values: np.ndarray
    deviation: np.ndarray


def _wanted(predictor: Predictor) -> _Wanted:
    table = predictor.scorer.table
    words = np.zeros(table.shape, np.int64)
    values = np.full(table.shape, -np.inf, np.float32)
    total, squares = np.zeros(table.shape), np.zeros(table.shape)
    for begin in range(FIRST_WORD, len(table.rows), AT_ONCE):
        part = table.project(table.rows[begin : begin + AT_ONCE])  # (n, S, F)
        largest = part.argmax(axis=0)
        found = np.take_along_axis(part, largest[None], axis=0)[0]
        better = found > values  # of equals the first
        words[better], values[better] = largest[better] + begin - FIRST_WORD, found[better]
        total += part.sum(axis=0, dtype=np.float64)
        squares += np.square(part, dtype=np.float64).sum(axis=0)
    count = max(len(table.rows) - FIRST_WORD, 1)
    return _Wanted(words, values, np.sqrt(np.maximum(squares / count - (total / count) ** 2, 1e-12)))


def _by_word(predictor: Predictor, word: str, wanted: _Wanted, sizes: Sequence[int]) -> np.ndarray:
    """For each filter the word's largest look-up in standard deviations, (R F,)."""
    [number] = predictor.vocabulary.ids(predictor.tokenizer.spans(word)[:1]) or [0]
    if number < FIRST_WORD:
        raise ValueError(f"expected a word that the model knows, found {word!r}")
    table = predictor.scorer.table
    own = table.project(table.rows[number : number + 1])[0] / wanted.deviation  # (S, F)
    return np.maximum.reduceat(own, np.cumsum([0, *sizes[:-1]]), axis=0).ravel()
