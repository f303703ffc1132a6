"""Several tasks at a time, on threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from textcnn.training._environment import torch_threads

Result = TypeVar("Result")


def side_by_side(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run tasks on as many threads as torch has, each with one of torch's, and return their results.

    The calling thread begins with the last task, so that Ctrl-C interrupts that one at once. Then, and after an error,
    no further task begins, and those that run are waited for.
    """
    others = min(torch.get_num_threads(), len(tasks)) - 1
    if not others:
        return [task() for task in tasks]
    results: dict[int, Result] = {}
    waiting = deque(range(len(tasks) - 1))

    def run(number: int) -> None:
        try:
            results[number] = tasks[number]()
        except BaseException:
            waiting.clear()
            raise

    def run_waiting() -> None:
        while True:
            try:
                number = waiting.popleft()
            except IndexError:
                return
            run(number)

    with torch_threads(1):
        with ThreadPoolExecutor(others) as pool:
            running = [pool.submit(run_waiting) for _ in range(others)]
            run(len(tasks) - 1)
            run_waiting()
        for thread in running:
            thread.result()
    return [results[number] for number in range(len(tasks))]
