"""Convolution, pooling and whole networks over look-up tables."""

from __future__ import annotations

import numpy as np

from textcnn.kernels._loading import loops

_ACTIVATIONS = ("identity", "relu", "tanh")  # in the order of their numbers in C
MOST_CODES = 256  # words of a window whose whole numbers of 8 bits add up in 16


def max_windows(
    table: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    *,
    wide: bool,
    places: bool = False,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest sum of look-ups over the windows of each text.

    Args:
        table: projected words, (U, S, F); the slots of the regions are side by side.
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words per window of each region, (R,), summing to S.
        wide: use all windows that touch a word, else windows of words alone.
        places: also return where the largest windows are.
        threads: of torch's to use; 1 where torch is not loaded.

    Returns:
        The sums, (B, R F), zeros for a text without words; and the index in its text at which the first such window
        begins, negative in the padding, (B, R F), empty without `places`.
    """
    return loops.max_windows(table, ids, offsets, sizes, wide, places, threads)


def max_logits(
    table: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    *,
    wide: bool,
    bias: np.ndarray,
    activation: str,
    weights: np.ndarray,
    weights_bias: np.ndarray,
) -> np.ndarray:
    """Return the logits of Kim's network, (B, K): `max_windows`, activation and one product, text by text.

    Args:
        table: projected words, (U, S, F).
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words per window of each region, (R,), summing to S.
        wide: use all windows that touch a word, else windows of words alone.
        bias: of the filters, (R, F).
        activation: `identity`, `relu` or `tanh`.
        weights: of the softmax layer, (K, R F).
        weights_bias: (K,).
    """
    kind = _ACTIVATIONS.index(activation)
    return loops.max_logits(table, ids, offsets, sizes, wide, bias, kind, weights, weights_bias)


def code_logits(
    table: np.ndarray,
    scales: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    *,
    wide: bool,
    bias: np.ndarray,
    activation: str,
    weights: np.ndarray,
    weights_bias: np.ndarray,
) -> np.ndarray:
    """Return the logits of Kim's network, (B, K), as `max_logits` does, by a table of whole numbers.

    Args:
        table: projected words as whole numbers from -127 to 127, int8, or from -32767 to 32767, int16, (U, S, F).
        scales: what 1 in the table stands for, (R, F).
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words per window of each region, (R,), summing to S; at most 256.
        wide: use all windows that touch a word, else windows of words alone.
        bias: of the filters, (R, F).
        activation: `identity`, `relu` or `tanh`.
        weights: of the softmax layer, (K, R F).
        weights_bias: (K,).
    """
    kind = _ACTIVATIONS.index(activation)
    bytes_of_code = 1 if getattr(table, "dtype", None) == np.int8 else 2
    network = (ids, offsets, sizes, wide, bias, kind, weights, weights_bias)
    return loops.code_logits(bytes_of_code, table, scales, *network)


def row_logits(
    table: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    *,
    sizes: np.ndarray,
    maps: np.ndarray,
    dimension: int,
    k_top: int,
    biases: np.ndarray,
    filters: np.ndarray,
    weights: np.ndarray,
    weights_bias: np.ndarray,
) -> np.ndarray:
    """Return the logits of the DCNN, (B, K), text by text.

    Args:
        table: words projected by the first layer, folded, (U, m, F D / 2).
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: m of each layer.
        maps: F of each layer.
        dimension: D, rows before the first layer folds them.
        k_top: values that the last pooling keeps.
        biases: (F D / 2) of each layer, one after the other.
        filters: (D, m, F', F) of each layer after the first, one after the other.
        weights: of the softmax layer, (K, k_top F D / 2^layers).
        weights_bias: (K,).
    """
    arrays = (biases, filters, weights, weights_bias)
    return loops.row_logits(table, ids, offsets, sizes, maps, dimension, k_top, *arrays)


def max_windows_back(
    grad: np.ndarray,
    where: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    words: np.ndarray,
    filters: np.ndarray,
    *,
    words_too: bool,
    k: int = 1,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the gradients of `max_windows` of the table `words @ filters`; only the largest windows have any.

    Args:
        grad: gradient of the sums, (B, R k F).
        where: their windows, (B, R k F), as from `max_windows` or, with k of each map, from `k_windows`.
        ids: rows of `words`, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words per window of each region, (R,), summing to S.
        words: rows of the distinct words, (U, D).
        filters: their weights, (S, F, D).
        words_too: also return the gradient of the words.
        k: windows of each map.
        threads: of torch's to use; 1 where torch is not loaded.

    Returns:
        Gradients of the filters, (S, F, D), and of the words, (U, D) or None.
    """
    grads = loops.max_windows_back(words, filters, ids, offsets, sizes, k, grad, where, words_too, threads)
    return grads if words_too else (grads, None)


def k_windows(
    table: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    *,
    wide: bool,
    bias: np.ndarray,
    activation: str,
    k: int,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k largest responses of each map to the windows of each text, in their order; ties go to the first.

    Args:
        table: projected words, (U, S, F); the slots of the regions are side by side.
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words per window of each region, (R,), summing to S.
        wide: use all windows that touch a word, else windows of words alone.
        bias: of the filters, (R, F).
        activation: `identity`, `relu` or `tanh`.
        k: how many to keep.
        threads: of torch's to use; 1 where torch is not loaded.

    Returns:
        The responses, (B, R k F), zeros after those of a text with fewer windows; and the index in its text at which
        each window begins, negative in the padding and the least int32 where there is none, (B, R k F).
    """
    kind = _ACTIVATIONS.index(activation)
    return loops.k_windows(table, ids, offsets, sizes, wide, bias, kind, k, threads)


def mean_windows(
    table: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    *,
    wide: bool,
    bias: np.ndarray,
    activation: str,
    threads: int = 1,
) -> np.ndarray:
    """Return the mean response of each map to the windows of each text, (B, R F), zeros for a text without words.

    Arguments as in `k_windows`.
    """
    return loops.mean_windows(table, ids, offsets, sizes, wide, bias, _ACTIVATIONS.index(activation), threads)


def mean_windows_back(
    grad: np.ndarray,
    table: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    *,
    wide: bool,
    bias: np.ndarray,
    activation: str,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of the table, (U, S, F), and of the bias, (R, F), from that of `mean_windows`, (B, R F)."""
    kind = _ACTIVATIONS.index(activation)
    return loops.mean_windows_back(table, ids, offsets, sizes, wide, bias, kind, grad, threads)


def row_layers(
    words: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    *,
    first: np.ndarray,
    sizes: np.ndarray,
    maps: np.ndarray,
    k_top: int,
    biases: np.ndarray,
    filters: np.ndarray,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features of the DCNN, text by text, and what `row_layers_back` needs.

    Args:
        words: rows of the distinct words, (U, C, D).
        ids: rows of `words`, (N,).
        offsets: of the texts, (B + 1,).
        first: filters of the first layer, (C, m, F, D).
        sizes: m of each layer.
        maps: F of each layer.
        k_top: values that the last pooling keeps.
        biases: (F, D / 2) of each layer, one after the other.
        filters: (D, m, F', F) of each layer after the first, one after the other.
        threads: of torch's to use; 1 where torch is not loaded.

    Returns:
        Features, (B, k_top F D / 2^layers), zeros after those that a text has; the values under all convolutions but
        the first; and which windows all layers keep.
    """
    return loops.row_layers(words, ids, offsets, sizes, maps, k_top, biases, filters, first, threads)


def row_layers_back(
    grad: np.ndarray,
    kept: tuple[np.ndarray, np.ndarray, np.ndarray],
    words: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    *,
    first: np.ndarray,
    sizes: np.ndarray,
    maps: np.ndarray,
    k_top: int,
    biases: np.ndarray,
    filters: np.ndarray,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `words`, `first`, `biases` and `filters` from that of the features.

    `kept` is what `row_layers` returned for the other arguments.
    """
    layers = (words, ids, offsets, sizes, maps, k_top, biases, filters, first, threads)
    return loops.row_layers_back(*layers, *kept, grad)


def sum_windows(
    table: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    *,
    size: int,
    slot: int,
    wide: bool,
    positions: int,
    threads: int = 1,
) -> np.ndarray:
    """Return the sum of look-ups of every window, (B, P, F), zeros after a text's last window.

    Args:
        table: projected words, (U, S, F).
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        size: words per window.
        slot: the table's slot of a window's first word.
        wide: use all windows that touch a word, else windows of words alone.
        positions: P, at least the windows of the longest text.
        threads: of torch's to use; 1 where torch is not loaded.
    """
    return loops.sum_windows(table, ids, offsets, size, slot, wide, positions, threads)


def sum_windows_back(
    grad: np.ndarray,
    ids: np.ndarray,
    offsets: np.ndarray,
    table_grad: np.ndarray,
    *,
    size: int,
    slot: int,
    wide: bool,
    threads: int = 1,
) -> None:
    """Add the gradient of `sum_windows`, (B, P, F), to that of its table, (U, S, F)."""
    loops.sum_windows_back(table_grad, ids, offsets, size, slot, wide, grad, threads)


def k_max(
    x: np.ndarray, counts: np.ndarray, ks: np.ndarray, most: int, *, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k largest values of each map in their order; ties go to the first.

    Args:
        x: (B, P, F).
        counts: positions of each text, (B,).
        ks: how many to keep of each text, (B,).
        most: K, at least the largest of them.
        threads: of torch's to use; 1 where torch is not loaded.

    Returns:
        Values, (B, K, F), and their positions, int32; zeros and -1 after the last.
    """
    return loops.k_max(x, counts, ks, most, threads)
