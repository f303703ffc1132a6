"""What a model has to beat on the same texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_TEXTS = 50_000  # beyond, the linear model takes minutes
RESAMPLES = 10_000


def interval(right: int, texts: int, seed: int = 0) -> tuple[float, float]:
    """The 95% confidence interval of an accuracy by the percentile bootstrap over test texts.

    Drawing texts anew with replacement makes the number of right ones binomial, which is drawn directly.

    Args:
        right: texts labelled rightly.
        texts: all.
        seed: of the draws.
    """
    drawn = np.random.default_rng(seed).binomial(texts, right / texts, RESAMPLES) / texts
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def linear(texts: Sequence[str], labels: np.ndarray, test_texts: Sequence[str], test_labels: np.ndarray) -> float:
    """The accuracy of TF-IDF (1-2-grams, sublinear counts) with logistic regression, C = 10."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=1000))
    return float(model.fit(texts, labels).score(test_texts, test_labels))
