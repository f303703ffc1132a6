"""A linear bag of n-grams: the n-grams of the training texts, their numbers and factors, and how to find them in texts.

A network that pools the largest responses ignores a text's many weak signals, which a linear model adds up; the bag is
that linear model, trained jointly with the network as its wide part (Cheng et al. 2016, Wide & Deep Learning for
Recommender Systems; for n-grams in sentiment Wang and Manning 2012, Baselines and Bigrams). A text's features are those
of a TF-IDF model (presence times inverse document frequency), each multiplied by the square root of its naive
Bayes log-count ratio's magnitude and scaled to unit length. A text adds to the logits

    SCALE sum_g t_g U_g / sqrt(sum_g t_g^2)    over its distinct known n-grams g, with weights U, (G, K),
    t_g  = (1 + log(N / N_g)) max_k |r_gk|^1/2  N training texts, N_g of them with g,
    r_gk = log(p_gk / sum_g p_gk) - log(q_gk / sum_g q_gk),
           p_gk (q_gk): 1 + the number of training texts of class k (of the other classes) with g.

Like the first layer this is a look-up. Deviations from Wang and Manning: only the magnitude of the ratio is used, since
U has the sign; it is combined with the inverse document frequency; texts have unit length.

The n-gram of the words w_1 ... w_n has the number (w_1 V + w_2) V + ... + w_n, where V is the size of the vocabulary.
Padding and unknown words (ids 0 and 1, or V and above) are in no n-gram, which makes the numbers distinct.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from textcnn import kernels
from textcnn.text.tokens import Encoded, offsets_of
from textcnn.text.vocabulary import FIRST_WORD, UNKNOWN

# Learning rates are chosen for the weights of a network; without this factor 0.001 would be too small for the bag.
SCALE = 20
MOST_NGRAMS, MOST_WEIGHTS = 1 << 20, 1 << 24  # bound the size of a model, that of many classes too
LEAST_TEXTS = 2  # an n-gram of one text alone would take up its length, and is hardly met again
CHUNK = 1 << 21  # words counted at a time
LEAST_RATIO = 0.1  # so that every known n-gram counts


def ngrams_of(texts: Encoded, order: int, vocabulary_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all n-grams of 1 to `order` words in N texts.

    Args:
        texts: The texts.
        order: Number of words in the longest n-gram.
        vocabulary_size: V.

    Returns:
        Their numbers and the index of the text of each, both (M,) int64; sorted by order, then by text.
    """
    ids = known_words(texts.ids, vocabulary_size).astype(np.int64)
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


def known_words(ids: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """Return word ids with one of an unknown word for those that are not in the vocabulary."""
    return np.where(ids < vocabulary_size, ids, UNKNOWN) if ids.max(initial=0) >= vocabulary_size else ids


def collect_ngrams(
    texts: Encoded, labels: np.ndarray, *, classes: int, order: int, vocabulary_size: int, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the n-grams of the training texts: all words, and longer ones that are in two texts or more.

    Args:
        texts: The N training texts.
        labels: Their class ids, (N,); or which labels each has, (N, K) bool.
        classes: K.
        order: Number of words in the longest n-gram.
        vocabulary_size: V.
        most: Keep at most this many, those in the most texts; ties go to the smaller number. By default `MOST_NGRAMS`,
            and no more than make `MOST_WEIGHTS` weights.

    Returns:
        Their numbers in ascending order, (G,) int64, and their factors t, (G,) float32.
    """
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for part, _ in _chunks(texts, labels):
        keys, counts = _summed(
            *(np.concatenate(pair) for pair in zip((keys, counts), _counted(part, order, vocabulary_size), strict=True))
        )
    kept = (keys < vocabulary_size) | (counts >= LEAST_TEXTS)
    keys, counts = keys[kept], counts[kept]
    most = min(MOST_NGRAMS, MOST_WEIGHTS // classes) if most is None else most
    if len(keys) > most:
        kept = np.sort(np.argsort(-counts, kind="stable")[:most])
        keys, counts = keys[kept], counts[kept]
    idf = 1 + np.log(len(labels) / counts)
    index = NgramIndex(keys, order, vocabulary_size)
    inside = np.zeros((len(keys), classes), np.int64)
    for part, own in _chunks(texts, labels):
        inside += _texts_by_class(*index.find(part), own, inside.shape)
    ratios = _ratios(inside, counts)
    magnitudes = np.maximum(np.abs(ratios).max(axis=1, initial=0), LEAST_RATIO)
    return keys, (idf * np.sqrt(magnitudes)).astype(np.float32)


def _texts_by_class(rows: np.ndarray, found: np.ndarray, labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return how many texts of each class have each n-gram, (G, K).

    Args:
        rows: The known n-grams of each text, text by text, (M,).
        found: The number of them per text, (N,).
        labels: As in `collect_ngrams`.
        shape: G and K.
    """
    if labels.ndim == 1:
        cells = rows * shape[1] + np.repeat(labels, found)
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    from scipy.sparse import csr_array

    ones = np.ones(len(rows), np.int64)
    ngrams = csr_array((ones, rows, offsets_of(found)), shape=(len(found), shape[0]))
    out: np.ndarray = (ngrams.T @ csr_array(labels.astype(np.int64))).toarray()
    return out


def _chunks(texts: Encoded, labels: np.ndarray) -> Iterator[tuple[Encoded, np.ndarray]]:
    """Yield the texts with their labels, about `CHUNK` words at a time."""
    edges = np.searchsorted(texts.offsets, np.arange(0, len(texts.ids) + CHUNK, CHUNK))
    for begin, end in itertools.pairwise(edges):
        offsets = texts.offsets[begin : end + 1]
        yield Encoded(texts.ids[offsets[0] : offsets[-1]], offsets - offsets[0]), labels[begin:end]


def _ratios(inside: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return r, (G, K), from the number of texts with each n-gram per class, (G, K), and in total, (G,)."""
    p, q = inside + 1, counts[:, None] - inside + 1
    return np.log(p / p.sum(axis=0)) - np.log(q / q.sum(axis=0))


def _counted(texts: Encoded, order: int, vocabulary_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the n-grams in ascending order, and how many of the texts have each."""
    keys, where = ngrams_of(texts, order, vocabulary_size)
    by_key = np.lexsort((where, keys))
    keys, where = keys[by_key], where[by_key]
    once = np.ones(len(keys), bool)  # the first of an n-gram in a text
    once[1:] = (keys[1:] != keys[:-1]) | (where[1:] != where[:-1])
    return np.unique(keys[once], return_counts=True)


def _summed(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct keys in ascending order and the sums of their counts."""
    by_key = np.argsort(keys, kind="stable")
    keys, counts = keys[by_key], counts[by_key]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts


def words_of(key: int, vocabulary_size: int) -> list[int]:
    """Return the word ids of an n-gram from its number."""
    ids: list[int] = []
    while key:
        key, word = divmod(key, vocabulary_size)
        ids.append(word)
    return ids[::-1]


class NgramIndex:
    """Finds the known n-grams of texts.

    Args:
        keys: Their numbers, ascending, (G,) int64.
        order: Number of words in the longest n-gram.
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
        """Return the state without the table, which is rebuilt."""
        return {name: vars(self)[name] for name in ("keys", "order", "vocabulary_size")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def find(self, texts: Encoded) -> tuple[np.ndarray, np.ndarray]:
        """Return the distinct known n-grams of each of N texts.

        Args:
            texts: The texts.

        Returns:
            Their indices in `keys`, text by text, (M,) int64, and the number of them per text, (N,) int64.
        """
        if self.table is not None:
            return self.table.find(known_words(texts.ids, self.vocabulary_size), texts.offsets)
        keys, where = ngrams_of(texts, self.order, self.vocabulary_size)
        rows = np.searchsorted(self.keys, keys)
        known = rows < len(self.keys)
        known[known] = self.keys[rows[known]] == keys[known]
        pairs = np.unique(where[known] * len(self.keys) + rows[known])
        where, rows = np.divmod(pairs, max(len(self.keys), 1))
        return rows, np.bincount(where, minlength=len(texts.lengths))
