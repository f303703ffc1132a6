"""What a model should beat on the same texts, and how far chance alone moves a score."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data.labelled import Labelled
from textcnn.data.repeats import folds_of
from textcnn.settings.training import FOLDS
from textcnn.text.columns import Texts, as_column
from textcnn.text.ngrams import ngrams_of
from textcnn.text.tokens import Encoded, Tokens, offsets_of
from textcnn.text.vocabulary import FIRST_WORD, UNKNOWN

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_TEXTS = 50_000  # training texts above which the linear baseline takes minutes
MOST_SCORES = 1_000_000  # training texts times classes, for the same reason
RESAMPLES = 10_000
ITERATIONS = 10_000  # of the solver at most: it stops far sooner, where it has converged

_BETWEEN = r"[^\p{L}\p{N}_]+"  # what scikit-learn's pattern of a word, (?u)\b\w\w+\b, leaves out


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


def linear(texts: Texts, labels: np.ndarray, test_texts: Texts, test_labels: np.ndarray) -> float:
    """Return the accuracy of TF-IDF (uni- and bigrams, sublinear counts) with logistic regression, C = 10.

    Both are scikit-learn's; its words are found and counted as `bigrams` does it, in a fraction of the time.

    Where texts have several labels it is the micro-F1 of one such model for each label, at thresholds of 0.5.

    Args:
        texts: to train on, N strings in any usual container.
        labels: theirs, (N,); or which labels each has, (N, K) bool.
        test_texts: to score, M strings.
        test_labels: theirs, (M,) or (M, K).

    Raises:
        ValueError: the training texts hold no word, or one class alone.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    counts, test_counts = bigrams(texts, test_texts)
    weighting = TfidfTransformer(sublinear_tf=True)
    regression = LogisticRegression(C=10, max_iter=ITERATIONS, solver="lbfgs" if labels.ndim == 1 else "liblinear")
    if labels.ndim == 1:
        return float(make_pipeline(weighting, regression).fit(counts, labels).score(test_counts, test_labels))
    some = labels.any(axis=0) & ~labels.all(axis=0)  # a label of all texts or none cannot be learned
    model = make_pipeline(weighting, OneVsRestClassifier(regression)).fit(counts, labels[:, some].astype(int))
    predicted = np.tile(labels.all(axis=0), (len(test_labels), 1))
    predicted[:, some] = np.reshape(model.predict(test_counts), (len(test_labels), -1))
    return float(f1_score(test_labels, predicted, average="micro", zero_division=0))


def bigrams(texts: Texts, test_texts: Texts) -> tuple[csr_array, csr_array]:
    """Return how often the uni- and bigrams of the training texts are in N of these, (N, G), and M others, (M, G).

    The words are those of scikit-learn: lower-cased, of two letters, digits or underscores and more.

    Raises:
        ValueError: the training texts hold no word.
    """
    with ThreadPoolExecutor() as pool:  # Arrow's loops run side by side
        parts = [*pool.map(_words, (texts, test_texts))]
        known = pc.unique(parts[0].words)
        if not len(known):
            raise ValueError("they have no word of two letters")
        pairs = [*pool.map(lambda part: _bigrams(part, known), parts)]
    columns = pc.unique(pairs[0][0])  # (G,)
    training, test = (_counted(*pair, len(part.offsets) - 1, columns) for pair, part in zip(pairs, parts, strict=True))
    return training, test


def _words(texts: Texts) -> Tokens:
    """Return the words of N texts."""
    between = pc.replace_substring_regex(pc.utf8_lower(as_column(texts)), _BETWEEN, " ")
    lists = pc.split_pattern(between, " ").combine_chunks()
    words = lists.flatten()
    long = pc.greater_equal(pc.utf8_length(words), 2)
    ends = np.cumsum(np.append(0, np.asarray(long)))  # (words + 1,)
    return Tokens(words.filter(long), ends[offsets_of(pc.list_value_length(lists).to_numpy())])


def _bigrams(texts: Tokens, known: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Return the numbers of all uni- and bigrams of known words, and the text of each (`ngrams_of`)."""
    ids = pc.fill_null(pc.index_in(texts.words, value_set=known), UNKNOWN - FIRST_WORD).to_numpy() + FIRST_WORD
    keys, rows = ngrams_of(Encoded(ids, texts.offsets), 2, FIRST_WORD + len(known))
    return pa.array(keys), rows


def _counted(keys: pa.Array, rows: np.ndarray, texts: int, columns: pa.Array) -> csr_array:
    """Return how often each of G n-grams is in N texts, (N, G)."""
    from scipy.sparse import csr_array

    at = pc.index_in(keys, value_set=columns)
    same = np.asarray(at.is_valid())
    cells = rows[same].astype(np.int32), at.drop_null().to_numpy()
    return csr_array((np.ones(len(cells[0])), cells), shape=(texts, len(columns)))


def linear_in_folds(data: Labelled) -> float:
    """Return the figure of the same model on each fold of the texts, trained on the others; errors as in `linear`.

    It is the mean over the folds by their sizes.
    """
    right, rows = 0.0, np.arange(len(data))
    for fold in folds_of(data, FOLDS, 0):
        part, held_out = data.take(np.setdiff1d(rows, fold)), data.take(fold)
        right += len(fold) * linear(part.texts, part.labels, held_out.texts, held_out.labels)
    return right / len(data)
