"""What each filter of a layer responds to: the n-grams of texts that it picks, and its optimal n-gram.

The n-grams of texts are those that max pooling picks: each text counts once, with its strongest window (Kalchbrenner et
al. 2014, section 5.5, shows such n-grams for a DCNN). In a layer above the first the n-gram is the receptive field of
the largest response, cut at the text's ends: it grows with depth. Under k-max pooling, which keeps windows from all
over the text, it reaches from the first to the last word that the response is computed from.

A response of the first layer is a sum of one look-up per position. So the input that excites a filter most, for which
image networks need gradient ascent, has a closed form: at each position the word with the largest look-up. The layers
above need gradient ascent here too (`textcnn.explain._ascent`).

A filter of the DCNN is one row of a feature map after folding: it has a response of its own. Responses are those before
the activation, in the DCNN before pooling and bias; where a shortcut ends at a layer, it is part of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.errors import ConfigError, DataError
from textcnn.explain._ascent import Optimum, ascend
from textcnn.inference.predictor import check_finite
from textcnn.inference.scorer import Scorer, by_length
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.inference.predictor import Predictor

AT_ONCE = 1024  # words projected together


@dataclass(frozen=True)
class Picked:
    """An n-gram that a filter picks.

    Attributes:
        text: the n-gram.
        response: the filter's, the largest of those to it in these texts.
        count: number of texts that the filter picks it from.
        source: the text with that response; of several the first.
    """

    text: str
    response: float
    count: int
    source: str


@dataclass(frozen=True)
class Filter:
    """A filter of a layer.

    Attributes:
        name: index of the feature map, in the first layer after the region size, and for a DCNN that of the row.
        classes: what a pooled value of 1 adds to each class's logit, less the mean over the classes, (K,); None unless
            the largest values of the layer are the penultimate layer.
        active: share of the texts that reach the layer whose largest response is above 0.
        mean: largest response, or 0 if that is negative, averaged over these texts.
        picked: its strongest n-grams.
        wants: the word with the largest look-up at each position, (h,); above the first layer the words nearest to the
            vectors that gradient ascent finds, `*` where the word has no effect.
        most: the response to these words, which no text exceeds; above the first layer that to the vectors.
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
    predictor: Predictor,
    texts: pa.ChunkedArray,
    *,
    layer: int = 1,
    most: int = 10,
    ngrams: int = 5,
    word: str | None = None,
) -> list[Filter]:
    """Describe the most important filters of one of a model's layers, in that order.

    A filter is important if its mean response, times its largest score for a class where it has such, is large.

    Args:
        predictor: the model.
        texts: a column of strings.
        layer: 1 for the filters over the words, which are the only layer of `kim` and the region embedding of `dpcnn`;
            then each convolution in its order, of which an inception module is one.
        most: how many filters.
        ngrams: how many n-grams per filter.
        word: order the filters of the first layer by this word instead: by its largest look-up, measured in standard
            deviations of all words' look-ups at that position.

    Raises:
        ConfigError: the model does not know the word, or has no such layer; a word and a layer above the first; or
            torch, which such a layer needs, is not installed.
        DataError: no text is long enough to reach the layer.
        ModelError: the responses are not finite, since the model's weights are too large.
    """
    scorer = predictor.scorer
    if not 1 <= layer <= scorer.depth:
        layers = "1, this model's only layer" if scorer.depth == 1 else f"one of this model's layers 1-{scorer.depth}"
        raise ConfigError(f"layer: expected {layers}, found {layer}")
    if word is not None and layer > 1:
        raise ConfigError(f"word: expected the first layer, whose responses are sums over words, found layer {layer}")
    encoded = predictor.encode_ids(texts)
    with np.errstate(over="ignore", invalid="ignore"):  # an error below
        strongest = _strongest_windows(scorer.beside(encoded.unseen), encoded, layer)
        optimal = _optimal_words(scorer) if layer == 1 else None
    active, means = strongest.active(), strongest.means()  # (F,) both
    check_finite(strongest.responses, means, *([] if optimal is None else [optimal.deviation]))
    last = layer == scorer.depth and scorer.max_pooled
    scores = predictor.target.relative(scorer.softmax_weight.T) if last else None  # (F, K)
    if word is not None and optimal is not None:
        importance = _excitement(predictor, word, optimal)
    else:
        importance = means * (1.0 if scores is None else np.abs(scores).max(axis=1))
    numbers = np.argsort(-importance, kind="stable")[:most].tolist()
    if optimal is not None:
        wanted = [_wanted(predictor, optimal, number) for number in numbers]
    else:
        wanted = ascend(predictor, layer, numbers, int(encoded.lengths.max()))
    return [
        Filter(
            name=scorer.filter_name(layer, number),
            classes=None if scores is None else scores[number],
            active=float(active[number]),
            mean=float(means[number]),
            picked=_picked(predictor, texts, encoded, strongest, number, ngrams),
            wants=tuple(predictor.tokenizer.shown([one]) for one in want.words),
            most=want.response,
        )
        for number, want in zip(numbers, wanted, strict=True)
    ]


@dataclass(frozen=True)
class _StrongestWindows:
    """The strongest window of each of F filters in each of N texts.

    Attributes:
        rows: indices of the texts that reach the layer, (N,).
        responses: bias included, (N, F).
        begins: index of the window's first word, (N, F); negative in the padding.
        ends: index after its last word, (N, F); in the padding beyond the text.
    """

    rows: np.ndarray
    responses: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    def active(self) -> np.ndarray:
        """Return the share of the texts that have a positive response, (F,)."""
        return (self.responses > 0).sum(axis=0) / max(len(self.rows), 1)

    def means(self) -> np.ndarray:
        """Return the mean of the positive responses, others counting as 0, (F,)."""
        return np.maximum(self.responses, 0).sum(axis=0) / max(len(self.rows), 1)


def _strongest_windows(scorer: Scorer, texts: Encoded, layer: int) -> _StrongestWindows:
    rows = np.flatnonzero(texts.lengths >= scorer.shortest(layer))
    if layer == 1:
        sums, begins = scorer.largest_windows(texts)
        ends = begins + np.repeat(scorer.region_sizes, scorer.bias.shape[1])
        return _StrongestWindows(rows, (sums + scorer.bias.ravel())[rows], begins[rows], ends[rows])
    parts = [
        (part, scorer.strongest(ids, layer)) for part, ids in by_length(texts) if ids.shape[1] >= scorer.shortest(layer)
    ]
    if not parts:
        least = scorer.shortest(layer)
        words = f"{least} word{'s' * (least > 1)}"
        raise DataError(f"layer: expected texts of at least {words}, which layer {layer} needs, found none")
    order = np.argsort(np.concatenate([part for part, _ in parts]))
    return _StrongestWindows(
        rows,
        *(
            np.concatenate([getattr(found, name) for _, found in parts])[order]
            for name in ("responses", "begins", "ends")
        ),
    )


def _picked(
    predictor: Predictor,
    texts: pa.ChunkedArray,
    encoded: Encoded,
    strongest: _StrongestWindows,
    number: int,
    most: int,
) -> tuple[Picked, ...]:
    """Return the strongest n-grams of one filter, each once."""
    responses, begins, ends = (x[:, number] for x in (strongest.responses, strongest.begins, strongest.ends))
    found: dict[tuple[int, ...], list[int]] = {}
    for i in np.argsort(-responses, kind="stable").tolist():
        row = strongest.rows[i]
        begin, end = encoded.offsets[row], encoded.offsets[row + 1]
        gram = tuple(encoded.ids[begin + max(begins[i], 0) : min(begin + ends[i], end)].tolist())
        if gram not in found and len(found) == most:
            break  # all that follow are weaker
        found.setdefault(gram, []).append(i)
    words = [*predictor.artifact.words, *encoded.names]
    return tuple(
        Picked(
            text=predictor.tokenizer.shown([words[i - FIRST_WORD] if i >= FIRST_WORD else "?" for i in gram]),
            response=float(responses[of_gram[0]]),
            count=len(of_gram),
            source=texts[int(strongest.rows[of_gram[0]])].as_py(),
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


def _wanted(predictor: Predictor, optimal: _OptimalWords, number: int) -> Optimum:
    """Return the words that excite a filter of the first layer most."""
    scorer = predictor.scorer
    region, feature_map = divmod(number, scorer.bias.shape[1])
    own = slice(scorer.slots[region], scorer.slots[region + 1])
    return Optimum(
        words=tuple(predictor.artifact.words[i] for i in optimal.words[own, feature_map]),
        response=float(optimal.values[own, feature_map].sum() + scorer.bias[region, feature_map]),
    )


def _excitement(predictor: Predictor, word: str, optimal: _OptimalWords) -> np.ndarray:
    """Return for each filter the word's largest look-up, in standard deviations, (R F,)."""
    [number] = predictor.vocabulary.ids(predictor.tokenizer.spans(word)[:1]) or [0]
    if number < FIRST_WORD:
        raise ConfigError(f"expected a word that the model knows, found {word!r}")
    table, slots = predictor.scorer.table, predictor.scorer.slots
    own = table.project(table.rows[number : number + 1])[0] / optimal.deviation  # (S, F)
    return np.maximum.reduceat(own, slots[:-1], axis=0).ravel()
