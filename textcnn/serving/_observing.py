"""A line of the log and the metrics of each request, and an answer where something failed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textcnn.errors import shortened
from textcnn.serving._prometheus import Metrics

TEXTS = "textcnn.texts"  # key of a scope: how many texts the answer is about
_GONE = 499  # the status of a client that went away, by nginx's custom
logger = logging.getLogger("textcnn.serving")


class Observed:
    """Middleware that logs and counts requests.

    Args:
        app: what answers.
        metrics: where requests are counted.
        paths: the path of each endpoint; requests to none are counted together, so that their number stays bounded.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Mapping[object, str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect:
            status = _GONE
        except Exception:
            logger.exception("a request failed")
            if status:
                raise  # the answer has begun: only closing the connection tells the client
            await JSONResponse({"error": "the server failed; its log says where"}, 500)(scope, receive, sent)
        finally:
            self._record(scope, status or _GONE, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        texts = scope.get(TEXTS, 0)
        self._metrics.request(self._paths.get(scope.get("endpoint"), "other"), status, seconds, texts)
        fields = {
            "method": scope["method"],
            "path": shortened(scope["path"]),
            "status": status,
            "ms": round(1000 * seconds, 2),
            "texts": texts,
        }
        logger.info("request", extra={"fields": fields})
