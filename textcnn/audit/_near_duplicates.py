"""Texts that share nearly all their words, without comparing every two.

Prefix filtering (Chaudhuri, Ganti and Kaushik 2006, A primitive operator for similarity joins in data cleaning;
Bayardo, Ma and Srikant 2007, Scaling up all pairs similarity search): two sets whose Jaccard similarity is t or more
share at least c of the |x| - ceil(t |x|) + c rarest words of each, so only texts with these in common are compared. For
long texts c is larger.
"""

from __future__ import annotations

import numpy as np

from textcnn.text.tokens import Encoded, run_positions

MOST = 1000  # texts: a word that is among the rarest of more is no reason to compare them
_PER_COUNT = 30  # distinct words of a text for each further word that must be shared
_BLOCK = 4096  # texts that are joined with all others at a time
_COMPARED = 1 << 17  # pairs compared at a time


def near_pairs(encoded: Encoded, labels: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the pairs of texts with different labels and similar sets of words.

    The result is exact unless a word is among the rarest of more than `MOST` texts, as in a corpus of a few hundred
    words: of those that share no rarer one, pairs can be missing.

    Args:
        encoded: ids of N texts.
        labels: class ids, (N,).
        least: Jaccard similarity: the words that both have over those that one has.

    Returns:
        Indices of the texts, (M,) and (M,), the smaller first, and the similarities, (M,).
    """
    from scipy.sparse import csr_array

    size, count = int(encoded.ids.max(initial=0)) + 1, len(labels)
    pairs = np.unique(np.repeat(np.arange(count), encoded.lengths) * size + encoded.ids)
    text, word = pairs // size, pairs % size
    sizes = np.bincount(text, minlength=count)  # (N,)
    rank = np.empty(size, np.int64)
    rank[np.argsort(np.bincount(word, minlength=size), kind="stable")] = np.arange(size)
    order = np.lexsort((rank[word], text))
    text, word = text[order], word[order]
    needed = 1 + sizes // _PER_COUNT  # (N,)
    rarest = run_positions(sizes) < (sizes - np.ceil(least * sizes - 1e-9) + needed)[text]
    rarest &= np.bincount(word[rarest], minlength=size)[word] <= MOST
    whole, prefix = (
        csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=(count, size))
        for rows, columns in ((text, word), (text[rarest], word[rarest]))
    )
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    transposed = prefix.T.tocsr()
    for begin in range(0, count, _BLOCK):
        joined = (prefix[begin : begin + _BLOCK] @ transposed).tocoo()
        one, other = joined.row.astype(np.int64) + begin, joined.col.astype(np.int64)
        similar_size = np.minimum(sizes[one], sizes[other]) >= least * np.maximum(sizes[one], sizes[other]) - 1e-9
        kept = (one < other) & (labels[one] != labels[other]) & similar_size
        kept &= joined.data >= np.minimum(needed[one], needed[other])
        one, other = one[kept], other[kept]
        for start in range(0, len(one), _COMPARED):
            a, b = one[start : start + _COMPARED], other[start : start + _COMPARED]
            shared = np.asarray(whole[a].multiply(whole[b]).sum(axis=1)).ravel()
            similarity = shared / (sizes[a] + sizes[b] - shared)
            near = similarity >= least - 1e-9
            found.append((a[near], b[near], similarity[near]))
    one, other, similarity = map(np.concatenate, zip(*found, strict=True))
    return one, other, similarity
