"""What a model should beat on the same texts, and how far chance alone moves a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.data.repeats import folds_of
from textcnn.settings.config import FOLDS

MOST_TEXTS = 50_000  # training texts above which the linear baseline takes minutes
MOST_SCORES = 1_000_000  # training texts times classes, for the same reason
RESAMPLES = 10_000
ITERATIONS = 10_000  # of the solver at most: it stops far sooner, where it has converged


def interval(right: int, texts: int, seed: int = 0) -> tuple[float, float]:
    """Return the 95% confidence interval of an accuracy, by the percentile bootstrap over test texts.

    The number of correct texts in a resample is binomial, so it is drawn directly.

    Args:
        right: number of texts labelled correctly.
        texts: number of texts.
        seed: of the draws.
    """
    drawn = np.random.default_rng(seed).binomial(texts, right / texts, RESAMPLES) / texts
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def linear(texts: Sequence[str], labels: np.ndarray, test_texts: Sequence[str], test_labels: np.ndarray) -> float:
    """Return the accuracy of TF-IDF (uni- and bigrams, sublinear counts) with logistic regression, C = 10.

    Args:
        texts: to train on, N strings.
        labels: theirs, (N,).
        test_texts: to score, M strings.
        test_labels: theirs, (M,).

    Raises:
        ValueError: the training texts hold no word, or one class alone.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=ITERATIONS))
    return float(model.fit(texts, labels).score(test_texts, test_labels))


def linear_in_folds(data: Labelled) -> float:
    """Return the accuracy of the same model on each fold of the texts, trained on the others; errors as in `linear`."""
    right, rows = 0.0, np.arange(len(data))
    for fold in folds_of(data, FOLDS, 0):
        part, held_out = data.take(np.setdiff1d(rows, fold)), data.take(fold)
        texts, own = part.texts.to_pylist(), held_out.texts.to_pylist()
        right += len(fold) * linear(texts, part.labels, own, held_out.labels)
    return right / len(data)
