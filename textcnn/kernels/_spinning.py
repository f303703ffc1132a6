"""How torch's threads wait for each other."""

from __future__ import annotations

from functools import cache

from textcnn.kernels._loading import loops


@cache
def limit_spinning() -> bool:
    """Let torch's threads (GNU OpenMP's) spin only briefly before they sleep; the first call takes effect.

    By default they spin for milliseconds, which beside another busy process makes training several times slower. With
    more threads than processors libgomp spins for 1,000 rounds instead of 300,000 (its manual, `GOMP_SPINCOUNT`); an
    idle team of threads, asleep, makes it so on Linux. Where that variable or `OMP_WAIT_POLICY` is set it decides.

    Returns:
        Whether the call changed anything; torch must be loaded.
    """
    return loops is not None and loops.limit_spinning()
