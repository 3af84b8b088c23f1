"""A small faulty proxy: an S3 server behind it, and in front what a bad day looks like to boto3.

Every request may be reset, answered with an error, kept waiting, cut short, or acted on without a reply. Creates
(PUT with If-None-Match) go through one at a time, since moto looks and then puts without a lock.
"""

import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse

# what is answered: before anything is done, or in place of the reply to what was done
ERRORS = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "409": (409, "ConditionalRequestConflict"),
}
FAULTS = (
    "reset", "cut request", "500", "503", "409", "slow", "lost", "500 after", "503 after", "409 after", "cut",
)  # fmt: skip
SLOW_SECONDS = 0.08

# a request's method and whether it creates in, its fault or None out
Draw = Callable[[str, bool], str | None]


def drawn(seed: str, fault: str, rate: float) -> Draw:
    """Return faults of one kind (or of any kind, by "any") for a share of the requests, by a seed."""
    chance, lock = random.Random(seed), threading.Lock()

    def draw(method: str, creates: bool) -> str | None:
        with lock:
            due, kind = chance.random() < rate, chance.choice(FAULTS)
        return (kind if fault == "any" else fault) if due else None

    return draw


def listed(*faults: str | None) -> Draw:
    """Return these faults for the first requests, in this order, and none for the others."""
    left = iter(faults)
    return lambda method, creates: next(left, None)


def no_fault(method: str, creates: bool) -> None:
    """Let every request through."""


class Proxy(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1; `seen` counts the faults that came about.

    With `unconditional` the condition of a create is taken off on the way: a store that honours none. Proxies of one
    server share `one_create`.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        upstream: str,
        draw: Draw = no_fault,
        *,
        unconditional: bool = False,
        one_create: AbstractContextManager[bool] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.draw, self.unconditional = urlparse(upstream).netloc, draw, unconditional
        self.one_create = one_create or threading.Lock()
        self.seen: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without the polite goodbye: a reset is one

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed has gone: nothing to say."""


@contextmanager
def proxied(upstream: str, draw: Draw = no_fault, **how: Any) -> Iterator[Proxy]:
    """Serve from threads of this process."""
    proxy = Proxy(upstream, draw, **how)
    threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        creates = self.command == "PUT" and "If-None-Match" in self.headers
        fault = self._fault(creates)
        length = int(self.headers.get("Content-Length") or 0)
        if fault == "cut request":
            self.rfile.read(length // 2)
            return self._reset()
        body = self.rfile.read(length)
        if fault == "reset":
            return self._reset()
        if fault in ERRORS:
            return self._answer(*ERRORS[fault])
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        with self.server.one_create if creates else nullcontext():
            try:
                status, headers, data = self._forward(body)
            except (OSError, HTTPException):
                return self._reset()
        if fault == "lost":
            return self._reset()
        if fault and fault.endswith(" after"):
            return self._answer(*ERRORS[fault.removesuffix(" after")])
        return self._reply(status, headers, data, cut=fault == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 - http.server's names

    def _fault(self, creates: bool) -> str | None:
        fault = self.server.draw(self.command, creates)
        if fault and fault.startswith("409") and not creates:
            return None  # S3 answers this to who creates only
        if fault:
            self.server.seen[fault] += 1
        return fault

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self.server.upstream, timeout=30)
        dropped = {"connection", "expect", *(["if-none-match"] if self.server.unconditional else [])}
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in dropped:
                connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        try:
            return reply.status, reply.getheaders(), reply.read()
        finally:
            connection.close()

    def _reply(self, status: int, headers: list[tuple[str, str]], data: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        told = next((value for name, value in headers if name.lower() == "content-length"), None)
        self.send_header("Content-Length", told if self.command == "HEAD" and told else str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def _answer(self, status: int, code: str) -> None:
        data = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        self._reply(status, [("Content-Type", "application/xml")], b"" if self.command == "HEAD" else data)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - http.server's name
        """Be quiet."""
