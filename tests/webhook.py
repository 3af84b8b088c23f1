"""A real HTTP server on loopback that keeps what is posted to it, and answers what a test says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    """`texts` are those posted so far; `answers` are (status, body) of the next requests, 200 when there are none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.texts: list[str] = []
        self.answers: list[tuple[int, str]] = []


@contextmanager
def listening() -> Iterator[Webhook]:
    """Listen on a free port of 127.0.0.1, under a path that only who is told knows."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            hook.texts.append(json.loads(body)["text"])
            status, answer = hook.answers.pop(0) if hook.answers else (200, "ok")
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Webhook(f"http://127.0.0.1:{server.server_port}/services/hush-hush")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
