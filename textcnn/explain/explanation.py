"""Texts to explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from textcnn.explain._bag import bag_parts
from textcnn.explain.exact import decompose, is_exact, joined, no_features
from textcnn.explain.results import EXACT, GRADIENTS, Explanation, Word
from textcnn.inference.scorers import KimScorer
from textcnn.text.columns import as_column
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from textcnn.inference.predictor import Predictor


def explain(predictor: Predictor, texts: object) -> list[Explanation]:
    """Why a model gives each text what it gives it; see `Predictor.explain`."""
    return [_explain(predictor, text) for text in as_column(texts).to_pylist()]


def _explain(predictor: Predictor, text: str) -> Explanation:
    tokens = predictor.tokens(text)
    ids = np.array([number for _, number in tokens], np.int32)
    encoded = Encoded(ids, np.array([0, len(ids)]))
    logits = predictor.logits(encoded)[0].astype(np.float64)
    classes = len(logits)
    if is_exact(predictor.artifact.model):
        method = EXACT
        exact = decompose(cast("KimScorer", predictor.scorer), ids)
        word_parts, bias, features = exact.word_parts, exact.bias, [exact.features]
    else:
        from textcnn.explain._gradients import integrate

        method = GRADIENTS
        word_parts, bias = integrate(predictor, ids)
        features = [no_features(classes)]
    if predictor.bag is not None:
        of_words, of_bag = bag_parts(predictor.bag, ids)
        word_parts = word_parts + of_words
        features.append(of_bag)
    probabilities = predictor.probabilities(logits[None])[0]
    return Explanation(
        text=text,
        words=tuple(Word(token.text, token.start, token.end, number != UNKNOWN) for token, number in tokens),
        classes=predictor.classes_,
        predicted=int(probabilities.argmax()),
        probabilities=probabilities,
        logits=logits,
        word_parts=word_parts,
        bias=bias,
        features=joined(features),
        method=method,
        gap=float(np.abs(word_parts.sum(axis=0) + bias - logits).max()),
    )
