"""What each filter of the first layer responds to: the n-grams of texts that it picks, and its optimal n-gram.

A response is a sum of one look-up per position. So the input that excites a filter most, for which image networks need
gradient ascent, has a closed form: at each position the word with the largest look-up. The n-grams of texts are those
that max pooling picks: each text counts once, with its strongest window (Kalchbrenner et al. 2014, section 5.5, shows
such n-grams for a DCNN).

A filter of the DCNN is one row of a feature map after folding: it has a response of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.errors import ConfigError
from textcnn.inference.predictor import check_finite
from textcnn.inference.scorer import Scorer
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.inference.predictor import Predictor

AT_ONCE = 1024  # words projected together


@dataclass(frozen=True)
class Picked:
    """An n-gram of the texts, the filter's response to it, and how many texts the filter picks it from."""

    text: str
    response: float
    count: int


@dataclass(frozen=True)
class Filter:
    """A filter of the first layer.

    Attributes:
        name: region size, index of the feature map and, for a DCNN, of the row.
        classes: what a response of 1 adds to each class's logit, less the mean over the classes, (K,); None where
            further layers follow.
        active: share of the texts with words whose largest response is above 0.
        mean: largest response, or 0 if that is negative, averaged over these texts.
        picked: its strongest n-grams.
        wants: the word with the largest look-up at each position, (h,).
        most: the response to these words, which no text exceeds.
    """

    name: str
    classes: np.ndarray | None
    active: float
    mean: float
    picked: tuple[Picked, ...]
    wants: tuple[str, ...]
    most: float

    def to_json(self) -> dict[str, Any]:
        """Return the filter as a JSON object."""
        return {
            **vars(self),
            "classes": None if self.classes is None else self.classes.tolist(),
            "picked": [vars(picked) for picked in self.picked],
        }


def describe_filters(
    predictor: Predictor, texts: pa.ChunkedArray, *, most: int = 10, ngrams: int = 5, word: str | None = None
) -> list[Filter]:
    """Describe the most important filters of a model's first layer, in that order.

    A filter is important if its mean response, times its largest score for a class where it has such, is large.

    Args:
        predictor: the model.
        texts: a column of strings.
        most: how many filters.
        ngrams: how many n-grams per filter.
        word: order the filters by this word instead: by its largest look-up, measured in standard deviations of all
            words' look-ups at that position.

    Raises:
        ConfigError: the model does not know the word.
        ModelError: the responses are not finite, since the model's weights are too large.
    """
    scorer = predictor.scorer
    encoded = predictor.encode_ids(texts)
    with np.errstate(over="ignore", invalid="ignore"):  # an error below
        strongest = _strongest_windows(scorer.beside(encoded.unseen), encoded)
        optimal = _optimal_words(scorer)
    check_finite(strongest.responses, optimal.deviation, strongest.means)
    weights = scorer.filter_logits
    scores = None if weights is None else predictor.target.relative(weights)  # (R F, K)
    if word is not None:
        importance = _excitement(predictor, word, optimal)
    else:
        importance = strongest.means * (1.0 if scores is None else np.abs(scores).max(axis=1))
    out = []
    for number in np.argsort(-importance, kind="stable")[:most].tolist():
        region, feature_map = divmod(number, scorer.bias.shape[1])
        own = slice(scorer.slots[region], scorer.slots[region + 1])
        out.append(
            Filter(
                name=scorer.filter_name(region, feature_map),
                classes=None if scores is None else scores[number],
                active=float(strongest.active[number]),
                mean=float(strongest.means[number]),
                picked=_picked(predictor, encoded, strongest, number, ngrams),
                wants=tuple(
                    predictor.tokenizer.shown([predictor.artifact.words[i]]) for i in optimal.words[own, feature_map]
                ),
                most=float(optimal.values[own, feature_map].sum() + scorer.bias[region, feature_map]),
            )
        )
    return out


@dataclass(frozen=True)
class _StrongestWindows:
    """The strongest window of each filter in each of N texts, for R F filters.

    Attributes:
        responses: bias included, (N, R F).
        begins: the word at which the window begins, negative in the padding, (N, R F).
        active: share of the texts with words that have a positive response, (R F,).
        means: of the positive responses over these texts, others counting as 0, (R F,).
    """

    responses: np.ndarray
    begins: np.ndarray
    active: np.ndarray
    means: np.ndarray


def _strongest_windows(scorer: Scorer, texts: Encoded) -> _StrongestWindows:
    sums, begins = scorer.largest_windows(texts)
    responses = sums + scorer.bias.ravel()
    some = responses[texts.lengths > 0]
    if not len(some):
        none = np.zeros(responses.shape[1])
        return _StrongestWindows(responses, begins, none, none)
    return _StrongestWindows(responses, begins, (some > 0).mean(axis=0), np.maximum(some, 0).mean(axis=0))


def _picked(
    predictor: Predictor, texts: Encoded, strongest: _StrongestWindows, number: int, most: int
) -> tuple[Picked, ...]:
    """Return the strongest n-grams of one filter, each once."""
    size = predictor.scorer.region_sizes[number // predictor.scorer.bias.shape[1]]
    responses, begins = strongest.responses[:, number], strongest.begins[:, number]
    found: dict[tuple[int, ...], list[float]] = {}
    for row in np.argsort(-responses, kind="stable").tolist():
        begin, end = texts.offsets[row], texts.offsets[row + 1]
        if begin == end:
            continue
        first, last = begin + max(int(begins[row]), 0), min(begin + int(begins[row]) + size, end)
        gram = tuple(texts.ids[first:last].tolist())
        if gram not in found and len(found) == most:
            break  # all that follow are weaker
        found.setdefault(gram, []).append(float(responses[row]))
    words = [*predictor.artifact.words, *texts.names]
    return tuple(
        Picked(
            predictor.tokenizer.shown([words[i - FIRST_WORD] if i >= FIRST_WORD else "?" for i in gram]),
            of_gram[0],
            len(of_gram),
        )
        for gram, of_gram in found.items()
    )


@dataclass(frozen=True)
class _OptimalWords:
    """For each slot and filter the word of the largest look-up, that look-up, and all words' deviation, (S, F)."""

    words: np.ndarray
    values: np.ndarray
    deviation: np.ndarray


def _optimal_words(scorer: Scorer) -> _OptimalWords:
    table = scorer.table
    words = np.zeros(table.shape, np.int64)
    values = np.full(table.shape, -np.inf, np.float32)
    total, squares = np.zeros(table.shape), np.zeros(table.shape)
    for begin in range(FIRST_WORD, len(table.rows), AT_ONCE):
        part = table.project(table.rows[begin : begin + AT_ONCE])  # (n, S, F)
        largest = part.argmax(axis=0)
        found = np.take_along_axis(part, largest[None], axis=0)[0]
        better = found > values  # ties go to the first word
        words[better], values[better] = largest[better] + begin - FIRST_WORD, found[better]
        total += part.sum(axis=0, dtype=np.float64)
        squares += np.square(part, dtype=np.float64).sum(axis=0)
    count = max(len(table.rows) - FIRST_WORD, 1)
    return _OptimalWords(words, values, np.sqrt(np.maximum(squares / count - (total / count) ** 2, 1e-12)))


def _excitement(predictor: Predictor, word: str, optimal: _OptimalWords) -> np.ndarray:
    """Return for each filter the word's largest look-up, in standard deviations, (R F,)."""
    [number] = predictor.vocabulary.ids(predictor.tokenizer.spans(word)[:1]) or [0]
    if number < FIRST_WORD:
        raise ConfigError(f"expected a word that the model knows, found {word!r}")
    table, slots = predictor.scorer.table, predictor.scorer.slots
    own = table.project(table.rows[number : number + 1])[0] / optimal.deviation  # (S, F)
    return np.maximum.reduceat(own, slots[:-1], axis=0).ravel()
