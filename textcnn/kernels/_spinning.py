"""How torch's threads wait for each other."""

from __future__ import annotations

from textcnn.kernels._loading import loops


def limit_spinning() -> bool:
    """Make torch's threads (GNU OpenMP's) sleep soon when they wait, for the rest of the process; torch must be loaded.

    By default they spin for milliseconds first, which beside another busy process makes training several times slower.
    Where libgomp has more threads than there are processors it spins for 100 rounds instead of 300,000 (its manual,
    `GOMP_SPINCOUNT`); on Linux a team of idle threads makes it so. Nothing is done where `OMP_WAIT_POLICY` is set.

    Returns:
        Whether the idle threads are there.
    """
    return loops is not None and loops.limit_spinning()
