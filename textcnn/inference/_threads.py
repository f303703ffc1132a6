"""Work on several cores by threads: for loops in numpy, Arrow and compiled code, which let go of the interpreter."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def processors() -> int:
    """Cores that this process may use: those it is bound to, and no more than OMP_NUM_THREADS."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(count, int(wanted))) if wanted.isdecimal() else count


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Each item with the function's result, in the items' order; a few are worked on ahead.

    An error of the function, or of the iterable, is raised when its turn comes.
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
            except Exception as caught:  # noqa: BLE001 (raised below, when its turn comes)
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
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(processors(), thread_name_prefix="textcnn")
