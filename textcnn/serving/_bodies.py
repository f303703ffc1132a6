"""The body of a request, read up to a limit, and the error that refuses a request."""

from __future__ import annotations

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

PATIENCE = 60.0  # seconds that a client may take to send a body
_LINGER = 5.0  # seconds for a client to send the rest of a body that is refused


class Refusal(Exception):  # noqa: N818 (no fault of ours)
    """A request that is answered with an error.

    Args:
        status: of the answer.
        message: one line: what was expected, what was found, what to do.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def read_body(request: Request, most: int) -> bytes:
    """Return the body of a request; of one that is too large no more than `most` bytes are ever kept.

    Raises:
        Refusal: it has more than `most` bytes (413), or does not arrive in time (408).
        ClientDisconnect: the client has gone.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise Refusal(413, f"expected a body of at most {most:,} bytes, found {int(length[:20]):,}; send fewer texts")
    body = bytearray()
    try:
        with anyio.fail_after(PATIENCE):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > most:
                    raise Refusal(413, f"expected a body of at most {most:,} bytes, found more; send fewer texts")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refusal(408, f"expected the whole body within {PATIENCE:.0f} seconds; send it faster") from None


class RefusedBody(JSONResponse):
    """Answers before the body has been read, then drops the rest of it for a while and closes the connection.

    A client that is still sending when the connection closes might never see the answer.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__({"error": message}, status, {"connection": "close"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        if (b"expect", b"100-continue") not in scope["headers"]:  # such a client has not begun to send
            with anyio.move_on_after(_LINGER):
                while (message := await receive())["type"] != "http.disconnect" and message.get("more_body"):
                    pass
        await send({"type": "http.response.body"})
