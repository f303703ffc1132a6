"""Tasks on several threads."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from textcnn.training._side_by_side import side_by_side


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_tasks(threads):
    found = side_by_side([lambda number=number: number**2 for number in range(7)])
    assert found == [number**2 for number in range(7)]
    assert torch.get_num_threads() == threads


def test_each_task_has_one_thread_of_torch_where_several_run(threads):
    expected = 1 if threads > 1 else threads
    assert side_by_side([torch.get_num_threads] * 4) == [expected] * 4


def test_as_many_run_at_a_time_as_there_are_threads(threads):
    together = threading.Barrier(threads, timeout=30)  # passed by that many at a time alone
    side_by_side([together.wait] * (2 * threads))


def test_the_calling_thread_begins_with_the_last_task(threads):
    seen = []

    def last():
        seen.append(threading.current_thread())

    side_by_side([lambda: None] * 3 + [last])
    assert seen == [threading.main_thread()]


def test_after_an_error_no_other_task_begins(threads):
    begun, failed = [], threading.Event()

    def task():
        begun.append(1)
        failed.wait(30)
        time.sleep(0.05)

    def last():
        failed.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side([*[task] * 60, last] if threads > 1 else [last, *[task] * 60])
    assert len(begun) < 60
    assert torch.get_num_threads() == threads


def test_an_error_on_another_thread_is_raised(threads):
    def wrong():
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        side_by_side([wrong, lambda: None])
