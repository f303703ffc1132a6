"""A client that keeps a number of connections busy: plain HTTP/1.1 with keep-alive, one request at a time on each."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Load:
    """What became of the requests of a run.

    Attributes:
        seconds: of each request that was answered by 200.
        failed: other answers, and connections that closed before the answer.
        wall: seconds of the run.
        cpu: seconds of the client's processor time.
    """

    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0

    def figures(self) -> dict[str, float]:
        """Return requests a second, percentiles of the latency in milliseconds, and the client's cost a request."""
        p50, p99 = np.percentile(self.seconds, (50, 99)) * 1000
        count = len(self.seconds)
        return {
            "requests": count,
            "failed": len(self.failed),
            "rate": count / self.wall,
            "p50": float(p50),
            "p99": float(p99),
            "client_microseconds": 1e6 * self.cpu / count,
        }


class _Connection(asyncio.Protocol):
    """Sends one request after the other until the run ends."""

    def __init__(
        self,
        requests: Iterator[tuple[int, bytes]],
        load: Load,
        until: Callable[[], bool],
        keep: Callable[[int, bytes], object] | None,
    ) -> None:
        self.requests, self.load, self.until, self.keep = requests, load, until, keep
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.send()

    def send(self) -> None:
        self.number, request = next(self.requests)
        self.waiting, self.begin = True, time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]):
            return
        elapsed, self.buffer, self.waiting = time.perf_counter() - self.begin, b"", False
        if head.startswith(b"HTTP/1.1 200 "):
            self.load.seconds.append(elapsed)
            if self.keep is not None:
                self.keep(self.number, body)
        else:
            self.load.failed.append(head.split(b"\r\n")[0].decode())
        if self.until():
            self.transport.close()
        else:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting:
            self.load.failed.append("the connection closed before the answer")
        self.ended.set_result(None)


def request_of(texts: Sequence[str], host: str) -> bytes:
    """Return the bytes of a request to /predict."""
    body = json.dumps({"texts": texts, "proba": True}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def run_load(
    port: int,
    requests: Sequence[bytes],
    *,
    clients: int,
    until: Callable[[], bool],
    keep: Callable[[int, bytes], object] | None = None,
) -> Load:
    """Send requests in turn, round and round, from several clients.

    Args:
        port: of the server.
        requests: their bytes.
        clients: connections.
        until: tells when to stop; requests that were sent are waited for.
        keep: called with a request's number and the body of its answer.
    """
    load = Load()
    order = itertools.cycle(enumerate(requests))
    loop = asyncio.get_running_loop()
    begin, cpu = time.perf_counter(), time.process_time()
    made = [
        await loop.create_connection(lambda: _Connection(order, load, until, keep), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.gather(*(protocol.ended for _, protocol in made))
    load.wall, load.cpu = time.perf_counter() - begin, time.process_time() - cpu
    return load
