"""HTTP/1.1 on the loopback interface: every request is handed to one function."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from durabletest.serve.rest_json import HttpAnswer, HttpRequest, refusal
from tests.endpoint.faults import DroppedConnection

Answerer = Callable[[HttpRequest], HttpAnswer]


class HttpServer(ThreadingHTTPServer):
    """Listens from ``start`` to ``close``, which leaves no thread behind."""

    daemon_threads = False

    def __init__(self, answerer: Answerer) -> None:
        self.answerer = answerer
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = Thread(target=self.serve_forever, args=(0.01,), name="endpoint-http", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._hang_up()
        self.server_close()
        self._thread.join(10)

    def _hang_up(self) -> None:
        """End the connections that clients keep alive: the threads behind them wait for the next request."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: HttpServer

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = self.server.answerer(HttpRequest(self.command, self.path, headers, body))
        except DroppedConnection:
            self.close_connection = True
            return
        except Exception as error:
            answer = refusal(501, type(error).__name__, repr(error))
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """The tests print nothing."""
