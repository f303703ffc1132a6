import os
import subprocess
import sys

import pytest

from textcnn import kernels

# Waits until the idle threads are there; then a child of fork() and an interrupt must do what they always do.
PROGRAM = """
import os, signal, time
import torch
from textcnn import kernels

before = len(os.listdir("/proc/self/task"))
held = kernels.limit_spinning()
kernels.limit_spinning()
deadline = time.monotonic() + 20
while held and len(os.listdir("/proc/self/task")) <= before + 1 and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.1)
started = len(os.listdir("/proc/self/task")) - before
child = os.fork()
if not child:
    kernels.limit_spinning()
    os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print(held, started, status)
"""


def run(**environment):
    known = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**known, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="done on Linux alone")
def test_idle_threads_are_started_once_and_disturb_nothing():
    held, started, status = run()
    assert status == "7"
    if held == "True":  # torch has GNU OpenMP
        assert 1 <= int(started) <= os.cpu_count() + 1


@pytest.mark.skipif(sys.platform != "linux", reason="done on Linux alone")
@pytest.mark.parametrize("choice", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "5"}])
def test_a_choice_in_the_environment_goes_first(choice):
    assert run(**choice) == ["False", "0", "7"]


def test_before_torch_is_loaded_the_environment_is_set(monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name != "torch"})
    assert not kernels.limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "10000"
