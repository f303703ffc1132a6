"""A linear bag of n-grams: which n-grams the training texts have, and their part of the logits, in numpy.

A network that pools the largest responses tells little of a text's many weak signs, which a linear model adds up; the
bag is that linear model, trained together with the network as its wide part (Cheng et al. 2016, Wide & Deep Learning
for Recommender Systems; for n-grams in sentiment Wang and Manning 2012, Baselines and Bigrams). A text's features are
those of a TF-IDF model, presence times inverse document frequency, each times how far its naive-Bayes log-count ratio
is from 0, scaled to unit length; its part of the logits

    SCALE sum_g t_g U_g / sqrt(sum_g t_g^2)    over its distinct known n-grams g, U of the shape (G, K),
    with t_g = (1 + log(N / how many of the N training texts have g)) max_k |r_gk|
    and  r_gk = log(p_gk / sum_g p_gk) - log(q_gk / sum_g q_gk),
         p_gk and q_gk one more than how many training texts of class k, and of the others, have g

is a look-up like the rest. Deviations from Wang and Manning: the ratio's size alone is taken, since U has the sign; it
stands beside the inverse document frequency; texts have unit length.

An n-gram of the words w_1 ... w_n is known by the number (w_1 V + w_2) V + ... + w_n, V the size of the
vocabulary. Padding and unknown words (ids 0 and 1) make no n-gram, so that the numbers are distinct.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from textcnn import kernels
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD

# The optimisers' steps are made for weights within a network; those of the bag stand where a step of 0.001 is little.
SCALE = 20
MOST_NGRAMS = 1 << 20  # a bound on the size of a model
CHUNK = 1 << 21  # words counted at a time
LEAST_RATIO = 0.1  # so that no known n-gram is nothing


def ngrams_of(texts: Encoded, order: int, vocabulary_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All n-grams of 1 to `order` words in N texts.

    Args:
        texts: the texts.
        order: words of the longest.
        vocabulary_size: V.

    Returns:
        Their numbers, and which text each is in, (M,) int64 both; those of one order one text after the other.
    """
    ids = texts.ids.astype(np.int64)
    text_of = np.repeat(np.arange(len(texts.lengths)), texts.lengths)
    known = ids >= FIRST_WORD
    keys, where = [ids[known]], [text_of[known]]
    number, whole = ids, known
    for size in range(2, order + 1):
        number = number[:-1] * vocabulary_size + ids[size - 1 :]
        whole = whole[:-1] & known[size - 1 :] & (text_of[: len(number)] == text_of[size - 1 :])
        keys.append(number[whole])
        where.append(text_of[: len(number)][whole])
    return np.concatenate(keys), np.concatenate(where)


def collect_ngrams(
    texts: Encoded, labels: np.ndarray, *, classes: int, order: int, vocabulary_size: int, most: int = MOST_NGRAMS
) -> tuple[np.ndarray, np.ndarray]:
    """The n-grams of the training texts.

    Args:
        texts: N of them.
        labels: their class ids, (N,).
        classes: K.
        order: words of the longest.
        vocabulary_size: V.
        most: keep so many, those that most texts have; of equals the smaller number.

    Returns:
        Their numbers in rising order, (G,) int64, and their factors t, (G,) float32.
    """
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for part, _ in _chunks(texts, labels):
        keys, counts = _summed(
            *(np.concatenate(pair) for pair in zip((keys, counts), _counted(part, order, vocabulary_size), strict=True))
        )
    if len(keys) > most:
        kept = np.sort(np.argsort(-counts, kind="stable")[:most])
        keys, counts = keys[kept], counts[kept]
    idf = 1 + np.log(len(labels) / counts)
    index = NgramIndex(keys, order, vocabulary_size)
    inside = np.zeros(len(keys) * classes, np.int64)
    for part, own in _chunks(texts, labels):
        rows, found = index.find(part)
        inside += np.bincount(rows * classes + np.repeat(own, found), minlength=len(inside))
    ratios = _ratios(inside.reshape(-1, classes), counts)
    return keys, (idf * np.maximum(np.abs(ratios).max(axis=1, initial=0), LEAST_RATIO)).astype(np.float32)


def _chunks(texts: Encoded, labels: np.ndarray) -> Iterator[tuple[Encoded, np.ndarray]]:
    """The texts a few at a time, with their labels."""
    edges = np.searchsorted(texts.offsets, np.arange(0, len(texts.ids) + CHUNK, CHUNK))
    for begin, end in itertools.pairwise(edges):
        offsets = texts.offsets[begin : end + 1]
        yield Encoded(texts.ids[offsets[0] : offsets[-1]], offsets - offsets[0]), labels[begin:end]


def _ratios(inside: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """r, (G, K), from how many texts of each class have an n-gram, (G, K), and how many of all, (G,)."""
    p, q = inside + 1, counts[:, None] - inside + 1
    return np.log(p / p.sum(axis=0)) - np.log(q / q.sum(axis=0))


def _counted(texts: Encoded, order: int, vocabulary_size: int) -> tuple[np.ndarray, np.ndarray]:
    """N-grams in rising order, and how many of the texts have each."""
    keys, where = ngrams_of(texts, order, vocabulary_size)
    by_key = np.lexsort((where, keys))
    keys, where = keys[by_key], where[by_key]
    once = np.ones(len(keys), bool)  # in a text
    once[1:] = (keys[1:] != keys[:-1]) | (where[1:] != where[:-1])
    return np.unique(keys[once], return_counts=True)


def _summed(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys in rising order with the sums of their counts."""
    by_key = np.argsort(keys, kind="stable")
    keys, counts = keys[by_key], counts[by_key]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts


def words_of(key: int, vocabulary_size: int) -> list[int]:
    """The word ids of an n-gram's number."""
    ids: list[int] = []
    while key:
        key, word = divmod(key, vocabulary_size)
        ids.append(word)
    return ids[::-1]


class NgramIndex:
    """Finds the known n-grams of texts.

    Args:
        keys: their numbers, rising, (G,) int64.
        order: words of the longest.
        vocabulary_size: V.
    """

    def __init__(self, keys: np.ndarray, order: int, vocabulary_size: int) -> None:
        self.keys = keys
        self.order = order
        self.vocabulary_size = vocabulary_size
        self.table = None
        if kernels.compiled:
            sizes = {"order": order, "vocabulary_size": vocabulary_size}
            self.table = kernels.NgramTable(keys, first_word=FIRST_WORD, **sizes)

    def __getstate__(self) -> dict[str, object]:
        """Without what can be made again."""
        return {name: vars(self)[name] for name in ("keys", "order", "vocabulary_size")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def find(self, texts: Encoded) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the known n-grams of each text, each once, one text after the other, and how many it has.

        Returns:
            Rows (M,) and counts (N,), int64.
        """
        if self.table is not None:
            return self.table.find(texts.ids, texts.offsets)
        keys, where = ngrams_of(texts, self.order, self.vocabulary_size)
        rows = np.searchsorted(self.keys, keys)
        known = rows < len(self.keys)
        known[known] = self.keys[rows[known]] == keys[known]
        pairs = np.unique(where[known] * len(self.keys) + rows[known])
        where, rows = np.divmod(pairs, max(len(self.keys), 1))
        return rows, np.bincount(where, minlength=len(texts.lengths))
