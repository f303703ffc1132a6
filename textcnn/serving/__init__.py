"""A model behind HTTP: an ASGI app, and a server that runs it in one or several processes.

Modules:
    _app: The app: its paths, and the answers to them.
    _live_model: The model that answers, and how another takes its place.
    _bodies: The body of a request, read up to a limit.
    _options: What a body may hold, which is also what the OpenAPI document says of it.
    _openapi: The OpenAPI document, and a page of it.
    _observing: A line of the log and the metrics of each request.
    _prometheus: The metrics.
    _json_log: The log, a JSON object a line.
    _server: A process that serves, and its signals.
    _workers: Several such processes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from os import PathLike
from typing import TYPE_CHECKING

from textcnn.errors import ConfigError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from textcnn.model import Model

MAX_BODY = 16 << 20  # bytes
MOST_BODY = 1 << 30  # that MAX_BODY can be raised to: Arrow counts a column's bytes in 32 bits
MAX_TEXTS = 10_000


def make_app(
    model: str | PathLike[str] | Callable[[], Model], *, max_body: int = MAX_BODY, max_texts: int = MAX_TEXTS
) -> Starlette:
    """Return an ASGI app that answers with a model; any ASGI server runs it, other apps can mount it.

    Its paths are `/predict`, `/explain`, `/health`, `/metrics`, `/openapi.json` and `/docs`. Requests are logged by the
    logger `textcnn.serving`, never with their texts. `app.state.reload()` loads the model again, while the one before
    goes on answering, and returns whether that succeeded; it may be called in any thread.

    Args:
        model: a saved model's folder, or a function that loads a model.
        max_body: bytes of a request's body, up to a gigabyte; a larger one is refused (413).
        max_texts: texts of a request; more are refused (422).

    Raises:
        ConfigError: a library of the extra `serve` is missing, or `max_body` is too large.
        ModelError: the folder has no model, or a damaged, altered or newer one.

    Example:
        >>> app = make_app("textcnn-model")
        >>> [route.path for route in app.routes]
        ['/predict', '/explain', '/health', '/metrics', '/openapi.json', '/docs']
    """
    check_libraries()
    if max_body > MOST_BODY:
        raise ConfigError(f"max_body: expected at most {MOST_BODY:,} bytes, found {max_body:,}")
    from textcnn.model import load_model
    from textcnn.serving._app import build_app

    load = model if callable(model) else functools.partial(load_model, model)
    return build_app(load, max_body=max_body, max_texts=max_texts)


def serve(
    model: str | PathLike[str] | Callable[[], Model],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    max_body: int = MAX_BODY,
    max_texts: int = MAX_TEXTS,
) -> None:
    """Serve a model until SIGTERM or SIGINT, then answer the requests in flight and raise SystemExit(0).

    SIGHUP loads the model again, in each worker; Windows has no such signal, and ends workers at once. Logs JSON lines
    on stderr. Must be called in the main thread, whose handlers of these signals it replaces.

    Args:
        model: as for `make_app`; with several workers a function must be picklable.
        host: name or address to listen at.
        port: to listen at; 0 takes a free one, which the log names.
        workers: processes that share the work; each has its own copy of the model.
        max_body: as for `make_app`.
        max_texts: as for `make_app`.

    Raises:
        ConfigError: a library is missing, or the address cannot be listened at.
        ModelError: as for `make_app`.
    """
    check_libraries()
    from textcnn.serving._server import listen, serve_alone
    from textcnn.serving._workers import serve_together

    app = functools.partial(make_app, model, max_body=max_body, max_texts=max_texts)
    with listen(host, port) as listener:
        if workers == 1:
            serve_alone(app, listener)
        else:
            serve_together(app, listener, workers)


def check_libraries() -> None:
    """Raise ConfigError unless the libraries of the extra `serve` are installed."""
    missing = [name for name in ("starlette", "uvicorn", "prometheus_client") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"serve: expected the libraries starlette, uvicorn and prometheus-client, found no {missing[0]}; "
            "install them: pip install 'textcnn[serve]'"
        )
