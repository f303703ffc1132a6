"""Threads on several cores, for work in numpy, Arrow and compiled code, which release the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def processors() -> int:
    """Return how many cores this process may use: those in its affinity mask, at most OMP_NUM_THREADS.

    Without that variable a container's limit on processor time counts too (Linux control groups, versions 1 and 2),
    rounded down: threads beyond it are made to wait, all at once.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(count, int(limit) if limit.isdecimal() else int(min([count, *_granted()]))))


def _granted(root: Path = Path("/")) -> Iterator[float]:
    """Yield how many cores' time each control group that limits it grants this process."""
    for line in _content(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        folder = top / path.lstrip("/")
        for group in (folder, *folder.parents[: len(folder.parts) - len(top.parts)]):
            if controllers:
                numbers = [_content(group / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
            else:
                numbers = _content(group / "cpu.max").split()
            with suppress(ValueError, ZeroDivisionError):  # no such group here, or no limit: "max", -1
                quota, period = map(int, numbers)
                if quota > 0:
                    yield quota / period


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield each item with the function's result, in the order of the items, computing a few results ahead.

    An error of the function or of the iterable is raised after the results before it.
    """
    if processors() == 1:
        yield from ((item, function(item)) for item in items)
        return
    pool = _pool(os.getpid())
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    error: Exception | None = None
    iterator = iter(items)
    try:
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                break
            except Exception as caught:  # noqa: BLE001 (raised below, in its turn)
                error = caught
                break
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > processors():
                item, future = waiting.popleft()
                yield item, future.result()
        while waiting:
            item, future = waiting.popleft()
            yield item, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
    if error is not None:
        raise error


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the thread pool of a process; after a fork the child needs its own."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(processors(), thread_name_prefix="textcnn")
