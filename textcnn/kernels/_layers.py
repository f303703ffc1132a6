"""Convolution, pooling and whole networks over look-up tables."""

from __future__ import annotations

import numpy as np

from textcnn.kernels._loading import check, loops

_NONE = np.empty(0, np.int32)


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
    """The largest sum of look-ups over each text's windows.

    Args:
        table: projected words, (U, S, F); the regions' slots stand side by side.
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words in a window, one number a region, (R,), S in sum.
        wide: windows that touch a word, else windows of words alone.
        places: whether to say where.
        threads: how many of torch's to use; 1 where torch is not loaded.

    Returns:
        The sums, (B, R F), zeros for a text without words; and the token of the text at which the first such window
        begins, negative in the padding, (B, R F), or nothing.
    """
    check(np.float32, table)
    check(np.int32, ids, sizes)
    check(np.int64, offsets)
    _, slots, maps = table.shape
    best = np.empty((len(offsets) - 1, len(sizes) * maps), np.float32)
    where = np.empty(best.shape, np.int32) if places else _NONE
    numbers = (len(sizes), slots, maps, int(wide), len(best), threads)
    loops.max_windows(table, ids, offsets, sizes, best, where, *numbers)
    return best, where


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
    """Logits of Kim's network, (B, K): `max_windows`, activation and one product, a text after the other.

    Args:
        table: projected words, (U, S, F).
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words in a window, one number a region, (R,), S in sum.
        wide: windows that touch a word, else windows of words alone.
        bias: of the filters, (R, F).
        activation: `identity`, `relu` or `tanh`.
        weights: of the softmax, (K, R F).
        weights_bias: (K,).
    """
    check(np.float32, table, bias, weights, weights_bias)
    check(np.int32, ids, sizes)
    check(np.int64, offsets)
    _, slots, maps = table.shape
    logits = np.empty((len(offsets) - 1, len(weights)), np.float32)
    kind = ("identity", "relu", "tanh").index(activation)
    numbers = (len(sizes), slots, maps, int(wide), kind, len(weights), len(logits))
    loops.max_logits(table, ids, offsets, sizes, bias, weights, weights_bias, logits, *numbers)
    return logits


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
    """Logits of the DCNN, (B, K), a text after the other.

    Args:
        table: words' parts of the first layer, folded, (U, m, F D / 2).
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        sizes: m of each layer.
        maps: F of each layer.
        dimension: D, rows before the first layer folds them.
        k_top: values that the last pooling keeps.
        biases: (F D / 2) of each layer, one after the other.
        filters: (F, m, F', D) of each layer after the first, one after the other.
        weights: of the softmax, (K, k_top F D / 2^layers).
        weights_bias: (K,).
    """
    check(np.float32, table, biases, filters, weights, weights_bias)
    check(np.int32, ids, sizes, maps)
    check(np.int64, offsets)
    logits = np.empty((len(offsets) - 1, len(weights)), np.float32)
    arguments = (table, ids, offsets, sizes, maps, biases, filters, weights, weights_bias, logits)
    loops.row_logits(*arguments, len(sizes), dimension, k_top, len(weights), len(logits))
    return logits


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
    """Gradients of `max_windows` of the table `words @ filters`, from the windows that were the largest alone.

    Args:
        grad: gradient of the sums, (B, R F).
        where: their windows, (B, R F).
        ids: rows of `words`, (N,).
        offsets: of the texts, (B + 1,).
        sizes: words in a window, one number a region, (R,), S in sum.
        words: rows of the distinct words, (U, D).
        filters: their weights, (S, F, D).
        words_too: whether the words have a gradient.
        threads: how many of torch's to use; 1 where torch is not loaded.

    Returns:
        Gradients of the filters, (S, F, D), and of the words, (U, D) or None.
    """
    check(np.float32, grad, words, filters)
    check(np.int32, where, ids, sizes)
    check(np.int64, offsets)
    slots, maps, dimension = filters.shape
    most = int(np.count_nonzero(grad.reshape(-1, len(sizes), maps), axis=(0, 2)) @ sizes)  # numbers in the gradient
    rows = (slots * maps, len(words) if words_too else 0)
    by_filter, by_word = [
        (np.zeros(count + 1, np.int64), np.empty(most, np.int32), np.empty(most, np.float32)) for count in rows
    ]
    numbers = (len(sizes), maps, len(offsets) - 1, *rows, threads)
    loops.sparse_gradient(grad, where, ids, offsets, sizes, *by_filter, *by_word, *numbers)
    filters_grad = np.empty(filters.shape, np.float32)
    loops.sparse_product(*by_filter, words, filters_grad, dimension, rows[0], threads)
    if not words_too:
        return filters_grad, None
    words_grad = np.empty(words.shape, np.float32)
    loops.sparse_product(*by_word, filters, words_grad, dimension, rows[1], threads)
    return filters_grad, words_grad


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
    """The sum of look-ups of every window of `size` words, (B, P, F); zeros behind a text's last window.

    Args:
        table: projected words, (U, S, F).
        ids: rows of the table, (N,).
        offsets: of the texts, (B + 1,).
        size: words in a window.
        slot: the table's slot of a window's first word.
        wide: windows that touch a word, else windows of words alone.
        positions: P, windows of the longest text.
        threads: how many of torch's to use; 1 where torch is not loaded.
    """
    check(np.float32, table)
    check(np.int32, ids)
    check(np.int64, offsets)
    _, slots, maps = table.shape
    out = np.empty((len(offsets) - 1, positions, maps), np.float32)
    numbers = (size, slot, slots, maps, int(wide), positions, len(out), threads)
    loops.sum_windows(table, ids, offsets, out, *numbers)
    return out


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
    check(np.float32, grad, table_grad)
    check(np.int32, ids)
    check(np.int64, offsets)
    texts, positions, maps = grad.shape
    numbers = (size, slot, table_grad.shape[1], maps, int(wide), positions, texts, threads)
    loops.sum_windows_back(grad, ids, offsets, table_grad, *numbers)


def k_max(
    x: np.ndarray, counts: np.ndarray, ks: np.ndarray, most: int, *, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The k largest values of each map in their order, of equals the first.

    Args:
        x: (B, P, F).
        counts: positions of each text, (B,).
        ks: how many to keep of each text, (B,).
        most: K, the largest of them.
        threads: how many of torch's to use; 1 where torch is not loaded.

    Returns:
        Values, (B, K, F), and their positions, int32; zeros and -1 behind the last.
    """
    check(np.float32, x)
    check(np.int64, counts, ks)
    texts, positions, maps = x.shape
    values = np.empty((texts, most, maps), np.float32)
    where = np.empty((texts, most, maps), np.int32)
    loops.k_max(x, counts, ks, values, where, positions, maps, most, texts, threads)
    return values, where


def k_max_back(grad: np.ndarray, where: np.ndarray, positions: int, *, threads: int = 1) -> np.ndarray:
    """The gradient (B, P, F) of what `k_max` pooled, from the gradient of the values, (B, K, F)."""
    check(np.float32, grad)
    check(np.int32, where)
    texts, most, maps = grad.shape
    x_grad = np.empty((texts, positions, maps), np.float32)
    loops.k_max_back(grad, where, x_grad, positions, maps, most, texts, threads)
    return x_grad


def row_convolution(x: np.ndarray, counts: np.ndarray, filters: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Wide convolution of each row by itself, then folding.

    Args:
        x: (B, P, F', D).
        counts: positions of each text, (B,); what stands behind them is not read.
        filters: (F, m, F', D).
        threads: how many of torch's to use; 1 where torch is not loaded.

    Returns:
        (B, P + m - 1, F, D / 2), zeros behind a text's last window.
    """
    check(np.float32, x, filters)
    check(np.int64, counts)
    texts, positions, before, dimension = x.shape
    maps, size = filters.shape[:2]
    out = np.empty((texts, positions + size - 1, maps, dimension // 2), np.float32)
    loops.row_convolution(x, counts, filters, out, positions, before, maps, size, dimension, texts, threads)
    return out


def row_convolution_back(
    grad: np.ndarray,
    x: np.ndarray,
    counts: np.ndarray,
    filters: np.ndarray,
    *,
    x_too: bool,
    threads: int = 1,
) -> tuple[np.ndarray | None, np.ndarray]:
    """Gradients of `row_convolution`: of x, (B, P, F', D) or None, and of the filters, (F, m, F', D)."""
    check(np.float32, grad, x, filters)
    check(np.int64, counts)
    texts, positions, before, dimension = x.shape
    maps, size = filters.shape[:2]
    x_grad = np.empty(x.shape, np.float32) if x_too else None
    if x_grad is not None:
        numbers = (positions, before, maps, size, dimension, texts, threads)
        turned = np.ascontiguousarray(filters.transpose(2, 1, 0, 3)[:, ::-1])  # (F', m, F, D)
        loops.row_convolution_back_x(grad, counts, turned, x_grad, *numbers)
    filters_grad = np.zeros(filters.shape, np.float32)
    numbers = (texts, positions, before, maps, size, dimension, threads)
    loops.row_convolution_back_filters(grad, x, counts, filters_grad, *numbers)
    return x_grad, filters_grad
