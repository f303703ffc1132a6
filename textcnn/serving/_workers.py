"""Several processes that serve at one socket: started, told to reload, replaced where one dies, and ended together.

A worker is a new process, not a fork, since a fork of a process with threads can deadlock.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from threading import Thread
from typing import TYPE_CHECKING

from prometheus_client.multiprocess import mark_process_dead

from textcnn.errors import TextCNNError
from textcnn.serving._json_log import log_to_stderr
from textcnn.serving._prometheus import FOLDER
from textcnn.serving._server import GRACE, HANGUP, end_on_signals, reload_on_hangup, run, url

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from starlette.applications import Starlette

_PAUSE = 1.0  # seconds before a worker that died is replaced
# The workers inherit these blocked: a Ctrl-C in a terminal reaches the whole group, and the parent ends the workers;
# a SIGHUP waits until a worker can handle it.
_BLOCKED = [signal.SIGINT, *([HANGUP] if HANGUP is not None else [])]
logger = logging.getLogger("textcnn.serving")


def serve_together(app: Callable[[], Starlette], listener: socket.socket, workers: int) -> None:
    """Serve in several processes until a signal ends them; raises SystemExit(0).

    Args:
        app: makes the app in each worker; it can be pickled.
        listener: the socket.
        workers: how many.

    Raises:
        TextCNNError: the app cannot be made, before any worker is started.
    """
    end_on_signals()
    with tempfile.TemporaryDirectory(prefix="textcnn-metrics-") as folder:
        app()
        os.environ[FOLDER] = folder
        log_to_stderr()
        try:
            _Supervisor(app, listener, folder).run(workers)
        finally:
            del os.environ[FOLDER]
    raise SystemExit(0)


class _Supervisor:
    """The parent of the workers."""

    def __init__(self, app: Callable[[], Starlette], listener: socket.socket, folder: str) -> None:
        self._app = app
        self._listener = listener
        self._folder = folder
        self._workers: list[SpawnProcess] = []
        self._signals, self._sender = multiprocessing.Pipe(duplex=False)

    def run(self, workers: int) -> None:
        """Start the workers, pass signals on to them, and return when all have ended."""
        for number in (signal.SIGTERM, *_BLOCKED):
            signal.signal(number, lambda number, frame: self._sender.send(number))
        self._start(workers)
        logger.info("serving", extra={"fields": {"url": url(self._listener.getsockname()), "workers": workers}})
        while True:
            if self._signals in wait([self._signals, *(worker.sentinel for worker in self._workers)]):
                number = self._signals.recv()
                if number != HANGUP:
                    break
                for worker in self._workers:
                    os.kill(worker.pid or 0, number)
            else:
                self._replace_dead()
        self._end()

    def _start(self, workers: int) -> None:
        """Start as many workers more."""
        context = multiprocessing.get_context("spawn")
        with _blocked():
            for _ in range(workers):
                worker = context.Process(target=_work, args=(self._app, self._listener))
                worker.start()
                self._workers.append(worker)

    def _replace_dead(self) -> None:
        dead = [worker for worker in self._workers if not worker.is_alive()]
        for worker in dead:
            logger.error("a worker died, another takes its place: process %s, exit %s", worker.pid, worker.exitcode)
            mark_process_dead(worker.pid, self._folder)
            self._workers.remove(worker)
        time.sleep(_PAUSE)
        self._start(len(dead))

    def _end(self) -> None:
        """Let the workers end; kill them after their time, or at a second Ctrl-C."""
        self._listener.close()
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + GRACE + 5
        while alive := [worker for worker in self._workers if worker.is_alive()]:
            left = max(0.0, deadline - time.monotonic())
            ready = wait([self._signals, *(worker.sentinel for worker in alive)], left)
            if not left or (self._signals in ready and self._signals.recv() == signal.SIGINT):
                for worker in alive:
                    worker.kill()


@contextmanager
def _blocked() -> Iterator[None]:
    """Block the signals that workers inherit blocked."""
    if os.name == "nt":
        yield
        return
    resource_tracker.ensure_running()  # which a first start would start, and unblock SIGINT
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)


def _work(app: Callable[[], Starlette], listener: socket.socket) -> None:
    """Serve, in a process of its own."""
    log_to_stderr()
    end_on_signals()
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        made = app()
    except TextCNNError as error:
        logger.error("a worker cannot start: %s", error)  # noqa: TRY400
        raise SystemExit(1) from None
    reload_on_hangup(made.state.reload)
    logger.info("worker ready")
    run(made, listener)


def _end_with_parent() -> None:
    """End this process if its parent was killed, and could not end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
