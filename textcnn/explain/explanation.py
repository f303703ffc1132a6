"""Why a model gives a text its label: parts of the logits by word, n-gram and feature."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.explain import html
from textcnn.explain._bag_parts import bag_parts
from textcnn.explain._exact import decompose
from textcnn.explain.results import EXACT, GRADIENTS, SHOWN, Features, Ngram, Word, words_of
from textcnn.inference.predictor import check_finite
from textcnn.targets import ONE_CLASS, Target
from textcnn.text.columns import Texts, as_column

if TYPE_CHECKING:
    from markupsafe import Markup

    from textcnn.explain.counterfactual import Counterfactual
    from textcnn.inference.predictor import Predictor

MOST = 5  # n-grams for and against that a fragment shows


@dataclass(frozen=True)
class Explanation:
    """Why a model gives a text its logits.

    Attributes:
        text: as it was given.
        words: its L tokens.
        classes: K labels.
        predicted: index of the most probable class; where a text has several labels, of the one that is explained.
        probabilities: of the classes, (K,).
        logits: (K,); `word_parts` in total plus `bias`, up to `gap`.
        word_parts: each word's part of each logit, (L, K).
        bias: what no word adds, (K,): the softmax bias and the biases of the active filters; for `integrated
            gradients` the logits of a text of unknown words.
        features: the summands by window; for `integrated gradients` those of the bag of n-grams only.
        method: `exact` or `integrated gradients`.
        gap: the largest difference between a logit and the sum of its parts.
        target: what a text's labels are.
        given: indices of the labels that the model gives, the most probable first; of one class that is `predicted`.
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
    target: Target = ONE_CLASS
    given: tuple[int, ...] = ()

    def word_scores(self, of: int | None = None) -> np.ndarray:
        """Return the words' scores for the class of index `of`, by default the predicted one, (L,)."""
        return self.target.relative(self.word_parts)[:, self.predicted if of is None else of]

    def bias_score(self, of: int | None = None) -> float:
        """Return the score of the bias for the class of index `of`, by default the predicted one."""
        return float(self.target.relative(self.bias)[self.predicted if of is None else of])

    def ngrams(self, of: int | None = None) -> list[Ngram]:
        """Return the n-grams that features trace to with their scores for a class, the largest first.

        Features of the same words, wherever they occur, are added up.
        """
        scores = self.target.relative(self.features.parts)[:, self.predicted if of is None else of]
        sums: dict[tuple[str, ...], float] = {}
        first: dict[tuple[str, ...], tuple[int, int]] = {}
        for begin, end, score in zip(self.features.begin.tolist(), self.features.end.tolist(), scores, strict=True):
            key = tuple(word.word for word in self.words[begin:end])
            sums[key] = sums.get(key, 0.0) + float(score)
            first[key] = min(first.get(key, (begin, end)), (begin, end))
        ngrams = [
            Ngram(self.text[self.words[begin].start : self.words[end - 1].end], begin, end, sums[key])
            for key, (begin, end) in first.items()
        ]
        return sorted(ngrams, key=lambda ngram: (-ngram.score, ngram.begin, ngram.end))

    def shown(self, ngram: Ngram) -> str:
        """Return an n-gram for people to read: as it is in the text, or where words are characters with its spaces."""
        words = self.words[ngram.begin : ngram.end]
        if any(word.word == " " for word in words):
            return "".join(word.shown for word in words)
        return ngram.text

    def by_label(self) -> list[Explanation]:
        """Return an explanation of each label that the model gives, or of the most probable one if it gives none."""
        return [dataclasses.replace(self, predicted=label) for label in self.given or (self.predicted,)]

    def shortened(self, characters: int) -> Explanation:
        """Return the explanation of the text's first `characters`, without the words and n-grams after them.

        The parts of the words left out are added to the bias.
        """
        if len(self.text) <= characters:
            return self
        shown = sum(word.end <= characters for word in self.words)
        end = self.words[shown - 1].end if shown else 0
        return dataclasses.replace(
            self,
            text=self.text[:end] + " ...",
            words=self.words[:shown],
            word_parts=self.word_parts[:shown],
            bias=self.bias + self.word_parts[shown:].sum(axis=0),
            features=self.features.select(self.features.end <= shown),
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON object; numbers per class are in the order of `classes`."""
        words = zip(self.words, self.word_parts.tolist(), self.word_scores().tolist(), strict=True)
        columns = [column.tolist() for column in vars(self.features).values()]
        features = [dict(zip(vars(self.features), values, strict=True)) for values in zip(*columns, strict=True)]
        for feature in features:
            feature["region_size"] = feature["region_size"] or None
            feature["feature_map"] = feature["feature_map"] if feature["feature_map"] >= 0 else None
        return {
            "text": self.text,
            "prediction": self.classes[self.predicted].item()
            if self.target is ONE_CLASS
            else self.classes[list(self.given)].tolist(),
            "classes": self.classes.tolist(),
            "probabilities": self.probabilities.tolist(),
            "logits": self.logits.tolist(),
            "method": self.method,
            "gap": self.gap,
            "bias": self.bias.tolist(),
            "explained": self.classes[self.predicted].item(),
            "words": [{**vars(word), "parts": parts, "score": score} for word, parts, score in words],
            "ngrams": [vars(ngram) for ngram in self.ngrams()],
            "features": features,
        }

    def to_html(self, change: Counterfactual | None = None) -> Markup:
        """Return an HTML fragment: the text with its words marked, its strongest n-grams, and the sum of the scores.

        It needs the styles `textcnn.explain.html.CSS`.

        Args:
            change: a change of the text that flips its label, to be shown with it.
        """
        ngrams = [ngram for ngram in self.ngrams() if ngram.end - ngram.begin > 1]
        words, bias = float(self.word_scores().sum()), self.bias_score()
        how = EXACT if self.method == EXACT else f"{self.method}, off by {self.gap:.1g}"
        rows: list[html.Row] = [
            ("n-grams for", [(self.shown(ngram), ngram.score) for ngram in ngrams[:MOST] if ngram.score >= SHOWN]),
            (
                "n-grams against",
                [(self.shown(ngram), ngram.score) for ngram in ngrams[::-1][:MOST] if ngram.score <= -SHOWN],
            ),
            ("total", [("words", words), ("bias", bias), (f"together ({how})", words + bias)]),
            ("smallest change found", [] if change is None else [(change.phrase(), None)]),
        ]
        label = self.label()
        return html.fragment(label, float(self.probabilities[self.predicted]), self._pieces(), rows)

    def label(self) -> str:
        """Return the explained label, and whether the model does not give it."""
        name = str(self.classes[self.predicted])
        return name if self.target is ONE_CLASS or self.predicted in self.given else f"{name} (not given)"

    def _repr_html_(self) -> str:
        """Return the fragment with its styles, for notebooks."""
        return html.with_style(self.to_html())

    def _pieces(self) -> list[html.Piece]:
        """Return the text in pieces, its words marked by their scores."""
        scores = self.word_scores()
        largest = float(np.abs(scores).max(initial=0)) or 1.0
        pieces, end = [], 0
        for word, score in zip(self.words, scores.tolist(), strict=True):
            if word.start > end:
                pieces.append(html.Piece(self.text[end : word.start]))
            own = self.text[word.start : word.end]
            if word.known:
                pieces.append(html.Piece(own, html.mark(score, largest), f"{score:+.2f}"))
            else:
                pieces.append(html.Piece(own, "unknown", "unknown word"))
            end = word.end
        if self.text[end:]:
            pieces.append(html.Piece(self.text[end:]))
        return pieces


def explain(predictor: Predictor, texts: Texts) -> list[Explanation]:
    """Explain each text's label; of several labels the most probable one, and the others by `Explanation.by_label`.

    Args:
        predictor: the model.
        texts: strings in a list, numpy array, pandas Series, Arrow array or other iterable.

    Raises:
        DataError: a bare string, a missing value, or something that is not text.
        ModelError: the scores are not finite, since the model's weights are too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # an error in `_explain`
        return [_explain(predictor, text) for text in as_column(texts).to_pylist()]


def _explain(predictor: Predictor, text: str) -> Explanation:
    tokens, encoded = predictor.read(text)
    ids = encoded.ids
    logits = predictor.logits(encoded)[0].astype(np.float64)
    if predictor.scorer.exact:
        method, exact = EXACT, decompose(predictor.scorer.beside(encoded.unseen), ids)
        word_parts, bias, features = exact.word_parts, exact.bias, exact.features
    else:
        from textcnn.explain._gradients import integrate

        method, features = GRADIENTS, Features.none(len(logits))
        word_parts, bias = integrate(predictor, encoded)
    if predictor.bag is not None:
        of_words, of_bag = bag_parts(predictor.bag, ids)
        word_parts, features = word_parts + of_words, Features.joined([features, of_bag])
    check_finite(word_parts, bias, features.parts, features.response)
    probabilities = predictor.probabilities(logits[None])[0]
    predicted = int(probabilities.argmax())
    given: tuple[int, ...] = (predicted,)
    if predictor.target is not ONE_CLASS:
        chosen = np.flatnonzero(predictor.decide(probabilities[None])[0])
        given = tuple(chosen[np.argsort(-probabilities[chosen], kind="stable")].tolist())
        predicted = given[0] if given else predicted
    return Explanation(
        text=text,
        words=words_of(tokens, encoded),
        classes=predictor.classes_,
        predicted=predicted,
        probabilities=probabilities,
        logits=logits,
        word_parts=word_parts,
        bias=bias,
        features=features,
        method=method,
        gap=float(np.abs(word_parts.sum(axis=0) + bias - logits).max()),
        target=predictor.target,
        given=given,
    )
