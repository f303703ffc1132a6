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


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ({}, []),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, [1.5]),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, []),
        (
            {
                "proc/self/cgroup": "0::/pods/one\n",
                "sys/fs/cgroup/pods/cpu.max": "400000 100000",
                "sys/fs/cgroup/pods/one/cpu.max": "200000 100000",
                "sys/fs/cgroup/pods/two/cpu.max": "100000 100000",
            },
            [2, 4],
        ),
        (
            {
                "proc/self/cgroup": "3:cpuset:/\n2:cpu,cpuacct:/a\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
            },
            [0.5],
        ),
        # In a container of version 1: its own group is at the top, under another name outside.
        (
            {
                "proc/self/cgroup": "2:cpu:/docker/abc\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            [3],
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0\n"}, []),
    ],
)
def test_control_groups_grant_processors(tmp_path, files, granted):
    write(tmp_path, files)
    assert list(threads._granted(tmp_path)) == granted


@pytest.mark.parametrize(("granted", "count"), [([], 8), ([2.9, 4], 2), ([0.5], 1), ([20], 8)])
def test_a_limit_on_processor_time_is_rounded_down(monkeypatch, granted, count):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_granted", lambda: iter(granted))
    assert threads.processors.__wrapped__() == count
    monkeypatch.setenv("OMP_NUM_THREADS", "6")  # goes first
    assert threads.processors.__wrapped__() == 6


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
