"""The linear baseline of the page, beside scikit-learn's own text features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from textcnn import load_corpus
from textcnn.report.baselines import bigrams, linear

# Runs of word characters and others, upper case and lower, letters of several scripts, digits and marks.
TEXTS = st.lists(st.text(alphabet="aAbÉüßжΩ中1_ .,-'\n\t", max_size=12), min_size=1, max_size=6)


def columns(*counts) -> list[tuple[float, ...]]:
    """Return the columns of sparse counts, one matrix above the other, sorted: scikit-learn's have another order."""
    return sorted(map(tuple, np.concatenate([part.toarray() for part in counts]).T.tolist()))


@given(TEXTS, TEXTS)
def test_counts_are_those_of_scikit_learn(texts, others):
    vectorizer = CountVectorizer(ngram_range=(1, 2))
    try:
        own = vectorizer.fit_transform(texts)
    except ValueError:
        with pytest.raises(ValueError, match="they have no word of two letters"):
            bigrams(texts, others)
        return
    assert columns(*bigrams(texts, others)) == columns(own, vectorizer.transform(others))


def test_the_figure_is_that_of_the_pipeline():
    corpus = load_corpus("sample")
    train, test = corpus["train"], corpus["test"]
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10))
    expected = pipeline.fit(train["text"], train["label"]).score(test["text"], test["label"])
    found = linear(list(train["text"]), np.array(train["label"]), list(test["text"]), np.array(test["label"]))
    assert found == pytest.approx(expected)


def test_several_labels_one_of_them_of_all_texts():
    texts = ["red fish", "blue fish", "red bird", "blue bird"] * 5
    labels = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 1]] * 5, bool)
    assert linear(texts, labels, texts, labels) == 1
