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


def interval_of_f1(labels: np.ndarray, predicted: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95% confidence interval of the micro-F1 of several labels, (N, K) bool, as in `interval`."""
    right, either = (labels & predicted).sum(axis=1), labels.sum(axis=1) + predicted.sum(axis=1)  # (N,), (N,)
    # Texts with the same numbers are interchangeable, so that each resample is one multinomial draw.
    kinds, counts = np.unique(np.stack([right, either]), axis=1, return_counts=True)  # (2, n), (n,)
    drawn = np.random.default_rng(seed).multinomial(len(labels), counts / len(labels), RESAMPLES)
    sums = drawn @ kinds.T  # (resamples, 2)
    low, high = np.percentile(2 * sums[:, 0] / np.maximum(sums[:, 1], 1), (2.5, 97.5))
    return float(low), float(high)


def linear(texts: Sequence[str], labels: np.ndarray, test_texts: Sequence[str], test_labels: np.ndarray) -> float:
    """Return the accuracy of TF-IDF (uni- and bigrams, sublinear counts) with logistic regression, C = 10.

    Where texts have several labels it is the micro-F1 of one such model for each label, at thresholds of 0.5.

    Args:
        texts: to train on, N strings.
        labels: theirs, (N,); or which labels each has, (N, K) bool.
        test_texts: to score, M strings.
        test_labels: theirs, (M,) or (M, K).

    Raises:
        ValueError: the training texts hold no word, or one class alone.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    regression = LogisticRegression(C=10, max_iter=ITERATIONS, solver="lbfgs" if labels.ndim == 1 else "liblinear")
    if labels.ndim == 1:
        return float(make_pipeline(vectorizer, regression).fit(texts, labels).score(test_texts, test_labels))
    some = labels.any(axis=0) & ~labels.all(axis=0)  # a label of all texts or none cannot be learned
    model = make_pipeline(vectorizer, OneVsRestClassifier(regression)).fit(texts, labels[:, some].astype(int))
    predicted = np.tile(labels.all(axis=0), (len(test_labels), 1))
    predicted[:, some] = np.reshape(model.predict(test_texts), (len(test_labels), -1))
    return float(f1_score(test_labels, predicted, average="micro", zero_division=0))


def linear_in_folds(data: Labelled) -> float:
    """Return the figure of the same model on each fold of the texts, trained on the others; errors as in `linear`.

    It is the mean over the folds by their sizes.
    """
    right, rows = 0.0, np.arange(len(data))
    for fold in folds_of(data, FOLDS, 0):
        part, held_out = data.take(np.setdiff1d(rows, fold)), data.take(fold)
        texts, own = part.texts.to_pylist(), held_out.texts.to_pylist()
        right += len(fold) * linear(texts, part.labels, own, held_out.labels)
    return right / len(data)
