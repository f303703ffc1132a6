"""A process that serves: the socket it listens at, and its signals."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import uvicorn

from textcnn.errors import ConfigError, quoted
from textcnn.serving._json_log import log_to_stderr

if TYPE_CHECKING:
    from starlette.applications import Starlette

GRACE = 25  # seconds for requests in flight to end: less than the 30 after which Kubernetes kills
_KEEP_ALIVE = 75  # seconds that an idle connection stays open: longer than proxies keep theirs, 60 by custom
_BACKLOG = 2048
HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
logger = logging.getLogger("textcnn.serving")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; connections wait until a server takes them.

    Raises:
        ConfigError: there is no such address, or it is in use or not for this user.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"--host: expected a name or address of this machine, found {quoted(host)}: {reason}"
        ) from None
    try:
        made = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            f"expected to listen at {url(address)}, found that it cannot be: {reason}; choose another --port or --host"
        ) from None
    # asyncio turns Nagle's algorithm off, which delays answers by 40 ms, only where a socket names its protocol.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())


def url(address: Any) -> str:
    """Return the URL of a socket's address."""
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve_alone(app: Callable[[], Starlette], listener: socket.socket) -> None:
    """Serve in this process until a signal ends it; raises SystemExit(0)."""
    end_on_signals()
    made = app()
    log_to_stderr()
    reload_on_hangup(made.state.reload)
    logger.info("serving", extra={"fields": {"url": url(listener.getsockname())}})
    run(made, listener)


def run(app: Starlette, listener: socket.socket) -> None:
    """Answer requests until a signal, then those in flight, and let the signal have its effect."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        logger.info("stopped")


def end_on_signals() -> None:
    """Let SIGTERM and SIGINT raise SystemExit(0); uvicorn handles them while it runs, then raises them again."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def reload_on_hangup(reload: Callable[[], object]) -> None:
    """Let SIGHUP call `reload` in a thread; signals that arrive during a reload lead to one more."""
    if HANGUP is None:
        return
    asked: SimpleQueue[None] = SimpleQueue()  # its `put` may interrupt itself, as signal handlers do

    def work() -> None:
        while True:
            asked.get()
            while not asked.empty():
                asked.get()
            reload()

    Thread(target=work, name="textcnn-reload", daemon=True).start()
    signal.signal(HANGUP, lambda number, frame: asked.put(None))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {HANGUP})  # a worker begins with it blocked
