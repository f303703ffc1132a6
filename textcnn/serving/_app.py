"""The ASGI app: its paths, and the answers to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from textcnn.errors import ModelError, nearest_names, quoted
from textcnn.inference.decisions import Decisions
from textcnn.inference.threads import processors
from textcnn.model import Model
from textcnn.serving import _options
from textcnn.serving._bodies import Refusal, RefusedBody, read_body
from textcnn.serving._live_model import LiveModel
from textcnn.serving._observing import TEXTS, Observed
from textcnn.serving._openapi import docs, openapi
from textcnn.serving._prometheus import CONTENT_TYPE, Metrics
from textcnn.targets import SEVERAL_LABELS
from textcnn.text.columns import strings
from textcnn.version import __version__

AT_ONCE = 1 << 13  # bytes of a body that is predicted in the event loop: a thread costs more than it saves
EXPLAINED = 100_000  # characters explained by a request: an explanation is about 50 times as long as its text


def build_app(load: Callable[[], Model], *, max_body: int, max_texts: int) -> Starlette:
    """Return the app (`textcnn.serving.make_app`)."""
    service = _Service(load, max_body, max_texts)
    endpoints: dict[str, tuple[str, Callable[..., Any]]] = {
        "/predict": ("POST", service.predict),
        "/explain": ("POST", service.explain),
        "/health": ("GET", service.health),
        "/metrics": ("GET", service.metrics_text),
        "/openapi.json": ("GET", service.openapi),
        "/docs": ("GET", service.docs),
    }

    def not_found(request: Request, error: HTTPException) -> Response:
        """Answer requests to no path, or by another method."""
        if error.status_code == 405:
            allowed = ", ".join(sorted((error.headers or {})["Allow"].split(", ")))
            expected = f"expected the method {allowed}, found {quoted(request.method)}"
        else:
            path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
            near = nearest_names(path, endpoints) or "; /docs describes them"
            expected = f"expected one of the paths {', '.join(endpoints)}, found {quoted(path)}{near}"
        return JSONResponse({"error": expected}, error.status_code, error.headers)

    handlers: dict[Any, Any] = {HTTPException: not_found, Refusal: _refused, ModelError: _model_failed}
    app = Starlette(
        routes=[Route(path, endpoint, methods=[method]) for path, (method, endpoint) in endpoints.items()],
        middleware=[
            Middleware(
                Observed, metrics=service.metrics, paths={endpoint: path for path, (_, endpoint) in endpoints.items()}
            )
        ],
        exception_handlers=handlers,
    )
    app.router.redirect_slashes = False
    app.state.reload = service.reload
    return app


class _Service:
    """The endpoints, over one model."""

    def __init__(self, load: Callable[[], Model], max_body: int, max_texts: int) -> None:
        self._live = LiveModel(load)
        self._max_body = max_body
        self._max_texts = max_texts
        self._threads = ThreadPoolExecutor(processors(), thread_name_prefix="textcnn-serving")
        self.metrics = Metrics()
        self.metrics.model(self._live.loaded)

    def reload(self) -> bool:
        """Load the model again (`textcnn.serving.make_app`)."""
        succeeded = self._live.reload()
        self.metrics.reload(succeeded=succeeded)
        self.metrics.model(self._live.loaded)
        return succeeded

    async def predict(self, request: Request) -> Response:
        body = await read_body(request, self._max_body)
        if len(body) <= AT_ONCE:
            return self._predict(body, request)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._predict, body, request)

    def _predict(self, body: bytes, request: Request) -> Response:
        texts, options = _options.parse(body, _options.PREDICT, max_texts=self._max_texts)
        model = self._live.loaded.model
        predictions = [*Decisions.of(model, **options).objects(model.scores(strings(texts)))]
        request.scope[TEXTS] = len(texts)
        return _json({"predictions": predictions})

    async def explain(self, request: Request) -> Response:
        body = await read_body(request, self._max_body)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._explain, body, request)

    def _explain(self, body: bytes, request: Request) -> Response:
        texts, _ = _options.parse(body, _options.EXPLAIN, max_texts=self._max_texts)
        characters = sum(map(len, texts))
        if characters > EXPLAINED:
            raise Refusal(
                422,
                f"texts: expected at most {EXPLAINED:,} characters to explain, found {characters:,}; "
                "send several requests, or parts of a text",
            )
        explanations = [one.to_json() for one in self._live.loaded.model.explain(strings(texts))]
        request.scope[TEXTS] = len(texts)
        return _json({"explanations": explanations})

    async def health(self, request: Request) -> Response:
        loaded = self._live.loaded
        facts = {
            "architecture": loaded.model.architecture,
            "classes": loaded.model.classes_.tolist(),
            "several_labels": loaded.model.target is SEVERAL_LABELS,
            "loaded": datetime.fromtimestamp(loaded.time, timezone.utc).isoformat(timespec="seconds"),
        }
        return _json({"status": "ok", "textcnn": __version__, "model": facts})

    def metrics_text(self, request: Request) -> Response:  # in a thread: it reads files where there are workers
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    async def openapi(self, request: Request) -> Response:
        return _json(openapi(max_body=self._max_body, max_texts=self._max_texts, explained=EXPLAINED))

    def docs(self, request: Request) -> Response:  # in a thread: the first call imports what makes pages
        return Response(
            docs(openapi(max_body=self._max_body, max_texts=self._max_texts, explained=EXPLAINED)),
            media_type="text/html",
            headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )


def _json(content: Any) -> Response:
    return Response(
        json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(),
        media_type="application/json",
    )


def _refused(request: Request, error: Refusal) -> Response:
    if error.status in (408, 413):
        return RefusedBody(error.message, error.status)
    return JSONResponse({"error": error.message}, error.status)


def _model_failed(request: Request, error: ModelError) -> Response:
    """Answer where the model's scores are not finite."""
    return JSONResponse({"error": str(error)}, 500)
