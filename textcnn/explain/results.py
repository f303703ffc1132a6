"""What an explanation consists of.

Softmax does not see what is added to all classes alike, so what a person reads is relative: the score of a word, an
n-gram or a feature for a class is its part of that class's logit less its mean part over all classes. With two classes
that is half of what it adds to the log-odds. The parts themselves are kept as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

EXACT = "exact"
GRADIENTS = "integrated gradients"


SHOWN = 0.005  # the least score that is not 0.00 where it is told


@dataclass(frozen=True)
class Word:
    """A token of a text: `text[start:end]`, and whether the model knows it."""

    word: str
    start: int
    end: int
    known: bool


@dataclass(frozen=True)
class Features:
    """M summands of the logits that each trace to one window of words.

    Attributes:
        begin: the window's first word, (M,); padding before the text does not count.
        end: behind its last word, (M,).
        region_size: h, (M,); 0 for an n-gram of the bag.
        feature_map: number of the filter among its region size's, (M,); -1 for an n-gram of the bag, or where all
            filters of a window are taken together (average pooling).
        response: of the filter, before it is weighed, (M,); 1 for an n-gram of the bag.
        parts: of the logits, (M, K).
    """

    begin: np.ndarray
    end: np.ndarray
    region_size: np.ndarray
    feature_map: np.ndarray
    response: np.ndarray
    parts: np.ndarray


@dataclass(frozen=True)
class Ngram:
    """Words of a text that stand together, and the score of all features that trace to them.

    Attributes:
        text: as it is written where it first stands.
        begin: its first word.
        end: behind its last word.
        score: for the class asked for.
    """

    text: str
    begin: int
    end: int
    score: float


@dataclass(frozen=True)
class Explanation:
    """Why a model gives a text the logits that it gives it.

    Attributes:
        text: as it was given.
        words: its L tokens.
        classes: K labels.
        predicted: number of the most probable one.
        probabilities: (K,).
        logits: (K,); `word_parts` in sum and `bias` make them, but for `gap`.
        word_parts: each word's part of each logit, (L, K).
        bias: what no word brings, (K,): the softmax's bias, the biases of the active filters, and for `integrated
            gradients` the logits of a text of unknown words.
        features: the summands by window; None where a network has none (`integrated gradients`), but for the bag's.
        method: `exact` or `integrated gradients`.
        gap: the largest difference between a logit and the sum of its parts.
    """

    text: str
    words: tuple[Word, ...]
    classes: np.ndarray
    predicted: int
    probabilities: np.ndarray
    logits: np.ndarray
    word_parts: np.ndarray
    bias: np.ndarray
    features: Features
    method: str
    gap: float

    def word_scores(self, of: int | None = None) -> np.ndarray:
        """Scores of the words for class number `of`, by default the predicted one, (L,)."""
        return relative(self.word_parts)[:, self.predicted if of is None else of]

    def bias_score(self, of: int | None = None) -> float:
        """The same for the bias."""
        return float(relative(self.bias)[self.predicted if of is None else of])

    def ngrams(self, of: int | None = None) -> list[Ngram]:
        """The n-grams that features trace to with their scores for a class, the largest first.

        Features of the same words, wherever they stand, are added up.
        """
        scores = relative(self.features.parts)[:, self.predicted if of is None else of]
        sums: dict[tuple[str, ...], float] = {}
        places: dict[tuple[str, ...], tuple[int, int]] = {}
        for begin, end, score in zip(self.features.begin.tolist(), self.features.end.tolist(), scores, strict=True):
            key = tuple(word.word for word in self.words[begin:end])
            sums[key] = sums.get(key, 0.0) + float(score)
            places[key] = min(places.get(key, (begin, end)), (begin, end))
        ngrams = [
            Ngram(self.text[self.words[begin].start : self.words[end - 1].end], begin, end, sums[key])
            for key, (begin, end) in places.items()
        ]
        return sorted(ngrams, key=lambda ngram: (-ngram.score, ngram.begin, ngram.end))

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON; figures by class in the order of `classes`."""
        features = self.features
        return {
            "text": self.text,
            "predicted": self.classes[self.predicted].item(),
            "classes": self.classes.tolist(),
            "probabilities": self.probabilities.tolist(),
            "logits": self.logits.tolist(),
            "method": self.method,
            "gap": self.gap,
            "bias": self.bias.tolist(),
            "words": [
                {**vars(word), "parts": parts, "score": score}
                for word, parts, score in zip(
                    self.words, self.word_parts.tolist(), self.word_scores().tolist(), strict=True
                )
            ],
            "ngrams": [vars(ngram) for ngram in self.ngrams()],
            "features": [
                {
                    "begin": begin,
                    "end": end,
                    "region_size": size or None,
                    "feature_map": number if number >= 0 else None,
                    "response": response,
                    "parts": parts,
                }
                for begin, end, size, number, response, parts in zip(
                    features.begin.tolist(),
                    features.end.tolist(),
                    features.region_size.tolist(),
                    features.feature_map.tolist(),
                    features.response.tolist(),
                    features.parts.tolist(),
                    strict=True,
                )
            ],
        }


def relative(parts: np.ndarray) -> np.ndarray:
    """Parts of the logits (..., K) less their mean over the classes."""
    return parts - parts.mean(axis=-1, keepdims=True)
