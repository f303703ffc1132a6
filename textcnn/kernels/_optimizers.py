"""Steps of optimisers on single rows of a table."""

from __future__ import annotations

import numpy as np

from textcnn.kernels._loading import loops


def settle_adam(
    state: tuple[np.ndarray, ...],
    words: np.ndarray,
    owed: np.ndarray,
    *,
    steps: int,
    epsilon: float,
    betas: tuple[float, float],
    threads: int = 1,
) -> None:
    """Bring rows up to step `steps` (`textcnn.training._row_optimizers.RowAdam`).

    Args:
        state: the table and its moments m and v, (V, D), and the step that each row was last brought up to, (V,) int64;
            changed in place.
        words: distinct rows, (U,) int64.
        owed: what the steps after t move a row last used in step t, (steps or more,) float64.
        steps: taken so far.
        epsilon: Adam's.
        betas: Adam's.
        threads: of torch's to use; 1 where torch is not loaded.
    """
    table, first, second, last = state
    loops.settle_adam(table, first, second, last, words, steps, threads, owed, epsilon, *betas)


def step_adam(
    state: tuple[np.ndarray, ...],
    words: np.ndarray,
    grad: np.ndarray,
    *,
    steps: int,
    rate: float,
    epsilon: float,
    betas: tuple[float, float],
    threads: int = 1,
) -> None:
    """Take step number `steps` of Adam for the rows `words` with the gradient `grad`, (U, D); the rest as above."""
    table, first, second, last = state
    loops.step_adam(table, first, second, last, words, steps, threads, grad, rate, epsilon, *betas)


def step_adadelta(
    state: tuple[np.ndarray, ...],
    words: np.ndarray,
    grad: np.ndarray,
    *,
    steps: int,
    rate: float,
    epsilon: float,
    rho: float,
    threads: int = 1,
) -> None:
    """Take step number `steps` of Adadelta for the rows `words`; the state has the averages of squares for moments."""
    table, square, moved, last = state
    loops.step_adadelta(table, square, moved, last, words, steps, threads, grad, rate, epsilon, rho)
