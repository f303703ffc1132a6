"""How torch's threads wait for each other."""

from __future__ import annotations

import os
import sys

from textcnn.kernels._loading import loops

ROUNDS = "10000"  # a tenth of a millisecond: the waits within a step are shorter
_CHOSEN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # read by libgomp when it is loaded


def limit_spinning() -> bool:
    """Make torch's threads (GNU OpenMP's) sleep soon when they wait, for the rest of the process.

    By default they spin for milliseconds first, which beside another busy process makes training several times slower.
    Before torch is loaded the environment tells libgomp to spin for `ROUNDS` rounds instead of 300,000. Afterwards, on
    Linux, a team of idle threads makes it spin for 100: it does so where it has more threads than there are processors
    (its manual, `GOMP_SPINCOUNT`), which costs the DCNN a tenth of its speed on an idle machine. Nothing is done where
    the environment has a choice of its own.

    Returns:
        Whether the idle threads are there.
    """
    if any(name in os.environ for name in _CHOSEN):
        return False
    if "torch" not in sys.modules:
        os.environ["GOMP_SPINCOUNT"] = ROUNDS
        return False
    return loops is not None and loops.limit_spinning()
