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
        filters: (F, m, F', D) of each layer after the first, one after the other.
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
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the gradients of `max_windows` of the table `words @ filters`; only the largest windows have any.

    Args:
        grad: gradient of the sums, (B, R F).
        where: their windows, (B, R F).
        ids: rows of `words`, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words per window of each region, (R,), summing to S.
        words: rows of the distinct words, (U, D).
        filters: their weights, (S, F, D).
        words_too: also return the gradient of the words.
        threads: of torch's to use; 1 where torch is not loaded.

    Returns:
        Gradients of the filters, (S, F, D), and of the words, (U, D) or None.
    """
    grads = loops.max_windows_back(words, filters, ids, offsets, sizes, grad, where, words_too, threads)
    return grads if words_too else (grads, None)


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


def k_max_back(grad: np.ndarray, where: np.ndarray, positions: int, *, threads: int = 1) -> np.ndarray:
    """Return the gradient of what `k_max` pooled, (B, P, F), from that of the values, (B, K, F)."""
    return loops.k_max_back(grad, where, positions, threads)


def row_convolution(x: np.ndarray, counts: np.ndarray, filters: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Convolve each row by itself (wide), then fold.

    Args:
        x: (B, P, F', D).
        counts: positions of each text, (B,); x is not read after them.
        filters: (F, m, F', D).
        threads: of torch's to use; 1 where torch is not loaded.

    Returns:
        (B, P + m - 1, F, D / 2), zeros after a text's last window.
    """
    return loops.row_convolution(x, counts, filters, threads)


def row_convolution_back(
    grad: np.ndarray,
    x: np.ndarray,
    counts: np.ndarray,
    filters: np.ndarray,
    *,
    x_too: bool,
    threads: int = 1,
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the gradients of `row_convolution`: of x, (B, P, F', D) or None, and of the filters, (F, m, F', D)."""
    filters_grad = loops.row_convolution_back_filters(x, counts, filters, grad, threads)
    if not x_too:
        return None, filters_grad
    turned = np.ascontiguousarray(filters.transpose(2, 1, 0, 3)[:, ::-1])  # (F', m, F, D)
    return loops.row_convolution_back_x(x, counts, turned, grad, threads), filters_grad
