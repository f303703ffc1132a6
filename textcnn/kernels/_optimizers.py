"""Steps of optimisers on single rows of a table."""

from __future__ import annotations

import numpy as np

from textcnn.kernels._loading import check, loops


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
        owed: what the steps after t move a row last used in step t, (steps + 1 or more,) float64.
        steps: taken so far.
        epsilon: of the method.
        betas: of the method.
        threads: how many of torch's to use; 1 where torch is not loaded.
    """
    check(np.float32, *state[:-1])
    check(np.int64, state[-1], words)
    check(np.float64, owed)
    constants = np.array([epsilon, *betas])
    loops.settle_adam(words, owed, constants, *state, state[0].shape[1], len(words), steps, threads)


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
    """Step number `steps` of Adam for the rows `words` with the gradient `grad` (U, D); the rest as above."""
    check(np.float32, *state[:-1], grad)
    check(np.int64, state[-1], words)
    constants = np.array([rate, epsilon, *betas])
    loops.step_adam(words, grad, constants, *state, state[0].shape[1], len(words), steps, threads)


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
    """Step number `steps` of Adadelta for the rows `words`; the state has the averages of squares."""
    check(np.float32, *state[:-1], grad)
    check(np.int64, state[-1], words)
    constants = np.array([rate, epsilon, rho])
    loops.step_adadelta(words, grad, constants, *state, state[0].shape[1], len(words), steps, threads)
