"""What the bag of n-grams adds to the logits (`textcnn.inference.bag_scorer`), as ONNX operators."""

from __future__ import annotations

import numpy as np

from textcnn.export._graph import FLOAT, Graph, Value
from textcnn.inference.bag_scorer import BagScorer
from textcnn.text.ngrams import SCALE

_LARGEST = np.iinfo(np.int64).max
_LEAST = np.float32(1e-30)  # below any sum of squares; the length of a text without known n-grams


def bag_logits(graph: Graph, bag: BagScorer, words: Value) -> Value:
    """Add the bag's part of the logits of B texts of one length, ids (B, L) int64 to (B, K) float32.

    A known n-gram's row is 1 + its index among the sorted numbers, and 0 stands for all others. A word's is in a table,
    a longer n-gram's is found by bisection.
    """
    keys, size = bag.index.keys, bag.index.vocabulary_size
    of_words = int(np.searchsorted(keys, size))  # the smallest numbers are words
    table = np.zeros(size, np.int64)
    table[keys[:of_words]] = np.arange(1, of_words + 1)
    rows = [graph.op("Gather", graph.constant(table), words)]
    number = words
    for length in range(2, bag.index.order + 1):
        number = number.cut(0, -1, axis=1) * size + words.cut(length - 1, axis=1)  # none in a shorter text
        rows.append(number)
    if len(rows) > 1:
        numbers = graph.op("Concat", *rows[1:], axis=1)
        rows[1:] = [_found(numbers, keys[of_words:], of_words)]
    found = graph.op("Concat", *rows, axis=1)  # (B, M)
    # Of each text's equal rows, sorted, the first counts.
    ordered, _ = graph.ops("TopK", found, graph.op("Shape", found).cut(1), outputs=2, largest=0)
    before = graph.op("Pad", ordered.cut(0, -1, axis=1), [0, 1, 0, 0], -1)
    first = graph.op("Cast", graph.op("Less", before, ordered), to=FLOAT)
    sums = graph.op("MatMul", graph.op("Unsqueeze", first, axes=[1]), graph.op("Gather", _parts(bag), ordered))
    sums = graph.op("Squeeze", sums, axes=[1])  # (B, K + 1)
    length_squared = graph.op("Max", sums.cut(-1, axis=1), _LEAST)
    return graph.op("Div", sums.cut(0, -1, axis=1) * float(SCALE), graph.op("Sqrt", length_squared))


def _parts(bag: BagScorer) -> np.ndarray:
    """Return t U and t^2 of each row, (1 + G, K + 1)."""
    factors = bag.factors[:, None]
    parts = np.concatenate([factors * bag.weights, factors * factors], axis=1)
    return np.concatenate([np.zeros_like(parts, shape=(1, parts.shape[1])), parts])


def _found(numbers: Value, keys: np.ndarray, before: int) -> Value:
    """Return 1 + `before` + the index of each number (B, M) among rising keys (G,), 0 if it is none of them."""
    graph = numbers.graph
    step = 1 << max(len(keys), 1).bit_length() - 1  # the largest power of two that is at most G
    padded = np.full(2 * step, _LARGEST, np.int64)
    padded[0], padded[1 : len(keys) + 1] = -1, keys
    table = graph.constant(padded)
    place = numbers * 0
    while step:  # the place of the last key that is not above the number
        further = place + step
        below = graph.op("LessOrEqual", graph.op("Gather", table, further), numbers)
        place = graph.op("Where", below, further, place)
        step //= 2
    known = graph.op("Equal", graph.op("Gather", table, place), numbers)
    return graph.op("Where", known, place + before, 0)
