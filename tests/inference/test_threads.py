import os
import threading

import pytest

from textcnn.inference import threads


@pytest.fixture(params=[1, 2, 5])
def _processors(monkeypatch, request):
    monkeypatch.setattr(threads, "processors", lambda: request.param)


@pytest.mark.usefixtures("_processors")
def test_results_come_in_the_order_of_the_items():
    gate = threading.Event()

    def work(i):
        if i == 1:
            gate.set()
        if i == 0 and threads.processors() > 1:
            gate.wait(5)  # the first item is finished last
        return i * i

    assert list(threads.in_order(work, range(20))) == [(i, i * i) for i in range(20)]
    assert list(threads.in_order(work, [])) == []


@pytest.mark.usefixtures("_processors")
def test_only_a_few_results_are_computed_ahead():
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = threads.in_order(lambda i: i, items())
    assert next(results) == (0, 0)
    assert len(taken) <= threads.processors() + 1
    results.close()


@pytest.mark.usefixtures("_processors")
def test_an_error_of_the_function_comes_after_the_results_before_it():
    done = []

    def work(i):
        if i == 3:
            raise ValueError("three")
        return i

    def loop():
        for i, _ in threads.in_order(work, range(10)):
            done.append(i)

    with pytest.raises(ValueError, match="three"):
        loop()
    assert done == [0, 1, 2]


def test_the_environment_limits_the_processors(monkeypatch):
    threads.processors.cache_clear()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.processors() == 1
    threads.processors.cache_clear()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= threads.processors() <= os.cpu_count()
    threads.processors.cache_clear()


@pytest.mark.usefixtures("_processors")
def test_an_error_of_the_iterable_comes_after_the_results_before_it():
    done = []

    def items():
        yield from range(5)
        raise ValueError("no more")

    def loop():
        for i, _ in threads.in_order(lambda i: i, items()):
            done.append(i)

    with pytest.raises(ValueError, match="no more"):
        loop()
    assert done == [0, 1, 2, 3, 4]
