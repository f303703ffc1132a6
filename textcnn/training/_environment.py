"""What the bits of a run depend on besides its seed; among it how many threads the run takes.

Two threads of which one waits for another process's turn on its core are slower than one: all wait for the last at each
of a step's products. So a network is trained by as many threads as there are cores that other processes leave free when
it begins. Networks of folds have a thread each and do not wait for one another.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.inference.threads import processors

SHORTEST = 0.1  # seconds over which the load of the cores says something: Linux counts it in hundredths
CHOSEN = "OMP_NUM_THREADS"  # the user's own choice


class Cores:
    """The cores of this process (Linux), watched from now on."""

    def __init__(self) -> None:
        self._begin = time.perf_counter(), _own_and_idle()

    def free(self) -> int | None:
        """Return how many of them other processes have left free since, 1 at least; None where that is unknown."""
        begin, before = self._begin
        seconds, now = time.perf_counter() - begin, _own_and_idle()
        if before is None or now is None or seconds < SHORTEST:
            return None
        return max(1, round((now - before) / seconds))


def _own_and_idle(statistics: Path = Path("/proc/stat")) -> float | None:
    """Return the seconds for which this process ran or its cores were idle; None where the system does not say."""
    try:
        cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        lines = [line.split() for line in statistics.read_text(encoding="utf-8").splitlines()]
        ticks = sum(int(line[4]) + int(line[5]) for line in lines if line[0] in cores)  # idle, waiting for a disk
        return ticks / os.sysconf("SC_CLK_TCK") + time.process_time()
    except (AttributeError, OSError, ValueError, IndexError):
        return None


def environment(device: str, *, cores: Cores, networks: int) -> dict[str, str | int]:
    """Return what a run's bits depend on, with the threads that it is to take.

    Args:
        device: the setting.
        cores: watched since before the texts were prepared.
        networks: how many the run trains side by side.
    """
    import torch

    from textcnn.training.devices import choose_device

    threads = torch.get_num_threads()
    if CHOSEN not in os.environ:
        free = cores.free() if networks == 1 else None
        threads = min(threads, processors(), threads if free is None else free)
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of torch's, which a pickle would need
        "numpy": np.__version__,
        "machine": platform.machine(),
        "threads": threads,
        "device": str(choose_device(device)),
    }


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch have `count` threads; afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resume_threads(own: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Let a resumed run take the threads that it had before, if they are for this process to have.

    Args:
        own: this run's environment; the threads are set there, too.
        before: that of the run in the checkpoint.
    """
    import torch

    threads = before.get("threads")
    if CHOSEN not in os.environ and type(threads) is int and 1 <= threads <= processors():
        torch.set_num_threads(threads)
        own["threads"] = threads
