"""The inner loops over look-up tables and pooled positions, compiled (`_kernels.c`).

Where no compiler was at hand when textcnn was installed `compiled` is False; `textcnn.nn` and
`textcnn.scorers` then do the same in torch and numpy. Arrays are contiguous: numbers float32, ids
and sizes int32, offsets and counts int64. Shapes: B texts, U distinct words, N tokens, S slots, F
feature maps, D dimensions, P positions; text b has the tokens `ids[offsets[b]:offsets[b + 1]]`.

The result has the same bits whatever the number of threads.
"""

from __future__ import annotations

import numpy as np

try:
    from textcnn.kernels import _kernels  # type: ignore[attr-defined]
except ImportError:
    _kernels = None

compiled = _kernels is not None

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
    _, slots, maps = table.shape
    best = np.empty((len(offsets) - 1, len(sizes) * maps), np.float32)
    where = np.empty(best.shape, np.int32) if places else _NONE
    numbers = (len(sizes), slots, maps, int(wide), len(best), threads)
    _kernels.max_windows(table, ids, offsets, sizes, best, where, *numbers)
    return best, where


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
        ids, offsets, sizes: as in `max_windows`.
        words: rows of the distinct words, (U, D).
        filters: their weights, (S, F, D).
        words_too: whether the words have a gradient.
        threads: how many of torch's to use; 1 where torch is not loaded.

    Returns:
        Gradients of the filters, (S, F, D), and of the words, (U, D) or None.
    """
    slots, maps, dimension = filters.shape
    most = int(np.count_nonzero(grad.reshape(-1, len(sizes), maps), axis=(0, 2)) @ sizes)  # numbers in the gradient

    def product(*, by_word: bool) -> np.ndarray:
        rows = len(words) if by_word else slots * maps
        starts, columns, values = np.zeros(rows + 1, np.int64), np.empty(most, np.int32), np.empty(most, np.float32)
        matrix = (starts, columns, values)
        numbers = (len(sizes), maps, len(offsets) - 1, rows, int(by_word))
        _kernels.sparse_gradient(grad, where, ids, offsets, sizes, *matrix, np.empty(rows + 1, np.int64), *numbers)
        other = filters.reshape(-1, dimension) if by_word else words
        out = np.empty((rows, dimension), np.float32)
        _kernels.sparse_product(*matrix, other, out, dimension, rows, threads)
        return out

    return product(by_word=False).reshape(filters.shape), product(by_word=True) if words_too else None


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
        ids, offsets, wide, threads: as in `max_windows`.
        size: words in a window.
        slot: the table's slot of a window's first word.
        positions: P, windows of the longest text.
    """
    _, slots, maps = table.shape
    out = np.empty((len(offsets) - 1, positions, maps), np.float32)
    numbers = (size, slot, slots, maps, int(wide), positions, len(out), threads)
    _kernels.sum_windows(table, ids, offsets, out, *numbers)
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
    texts, positions, maps = grad.shape
    numbers = (size, slot, table_grad.shape[1], maps, int(wide), positions, texts, threads)
    _kernels.sum_windows_back(grad, ids, offsets, table_grad, *numbers)


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
    texts, positions, maps = x.shape
    values = np.empty((texts, most, maps), np.float32)
    where = np.empty((texts, most, maps), np.int32)
    _kernels.k_max(x, counts, ks, values, where, positions, maps, most, texts, threads)
    return values, where


def k_max_back(grad: np.ndarray, where: np.ndarray, positions: int, *, threads: int = 1) -> np.ndarray:
    """The gradient (B, P, F) of what `k_max` pooled, from the gradient of the values, (B, K, F)."""
    texts, most, maps = grad.shape
    x_grad = np.empty((texts, positions, maps), np.float32)
    _kernels.k_max_back(grad, where, x_grad, positions, maps, most, texts, threads)
    return x_grad


def row_convolution(
    x: np.ndarray, counts: np.ndarray, filters: np.ndarray, *, threads: int = 1
) -> np.ndarray:
    """Wide convolution of each row by itself, then folding.

    Args:
        x: (B, P, F', D).
        counts: positions of each text, (B,); what stands behind them is not read.
        filters: (m, F, F', D).
        threads: how many of torch's to use; 1 where torch is not loaded.

    Returns:
        (B, P + m - 1, F, D / 2), zeros behind a text's last window.
    """
    texts, positions, before, dimension = x.shape
    size, maps = filters.shape[:2]
    out = np.empty((texts, positions + size - 1, maps, dimension // 2), np.float32)
    _kernels.row_convolution(x, counts, filters, out, positions, before, maps, size, dimension, texts, threads)
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
    """Gradients of `row_convolution`: of x, (B, P, F', D) or None, and of the filters, (m, F, F', D)."""
    texts, positions, before, dimension = x.shape
    size, maps = filters.shape[:2]
    x_grad = np.empty(x.shape, np.float32) if x_too else None
    if x_grad is not None:
        numbers = (positions, before, maps, size, dimension, texts, threads)
        _kernels.row_convolution_back_x(grad, counts, filters, x_grad, *numbers)
    filters_grad = np.zeros(filters.shape, np.float32)
    numbers = (texts, positions, before, maps, size, dimension, threads)
    _kernels.row_convolution_back_filters(grad, x, counts, filters_grad, *numbers)
    return x_grad, filters_grad


def settle_adam(
    table: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    words: np.ndarray,
    *,
    owed: np.ndarray,
    epsilon: np.ndarray,
    decay1: np.ndarray,
    decay2: np.ndarray,
    threads: int = 1,
) -> None:
    """Move the rows `words` (U,) of a table (V, D) by `owed` m / (sqrt(v) + `epsilon`), and let their moments decay.

    Args:
        table, first, second: the rows and their moments m and v, (V, D), changed in place.
        words: distinct rows, (U,) int64.
        owed, epsilon, decay1, decay2: a number for each of them, (U,).
        threads: how many of torch's to use; 1 where torch is not loaded.
    """
    numbers = (table.shape[1], len(words), threads)
    _kernels.settle_adam(words, owed, epsilon, decay1, decay2, table, first, second, *numbers)


def step_adam(
    table: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    words: np.ndarray,
    grad: np.ndarray,
    *,
    rate: float,
    epsilon: float,
    betas: tuple[float, float],
    threads: int = 1,
) -> None:
    """A step of Adam for the rows `words` with the gradient `grad` (U, D); the rest as in `settle_adam`."""
    constants = np.array([rate, epsilon, *betas], np.float32)
    _kernels.step_adam(words, grad, constants, table, first, second, table.shape[1], len(words), threads)


def step_adadelta(
    table: np.ndarray,
    square: np.ndarray,
    moved: np.ndarray,
    words: np.ndarray,
    grad: np.ndarray,
    *,
    decay: np.ndarray,
    rate: float,
    epsilon: float,
    rho: float,
    threads: int = 1,
) -> None:
    """A step of Adadelta for the rows `words`, whose averages of squares (V, D) first decay by `decay`, (U,)."""
    constants = np.array([rate, epsilon, rho], np.float32)
    _kernels.step_adadelta(words, grad, decay, constants, table, square, moved, table.shape[1], len(words), threads)
