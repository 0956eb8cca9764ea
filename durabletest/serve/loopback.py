"""The HTTP server: uvicorn, on the loopback address and no other, until it is told to end."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from threading import Event, Thread
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from durabletest.errors import CheckpointServerError, ConfigurationError
from durabletest.serve.lambda_endpoint import LambdaEndpoint

LOOPBACK = "127.0.0.1"
_SECONDS_FOR_ANSWERS = 5
"""Real seconds that answers which have begun get to be sent, after the end was asked for."""


def listen(port: int, option: str = "--port") -> socket.socket:
    """A socket that listens on the loopback address; port 0 is any that is free. The ``option`` has named the port."""
    if not 0 <= port < 65536:
        raise ConfigurationError(f"{option} is {port}: a port is a number from 0, for any that is free, to 65535")
    # With the protocol named, asyncio sends what is written at once: the body of an answer does not wait until its
    # head has been acknowledged, which takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"port {port} of {LOOPBACK} cannot be used: {error.strerror}; choose another {option}"
        ) from error
    return listening


class LoopbackServer(uvicorn.Server):
    """Serves an application; tells its endpoint of the end before it waits for the connections to close.

    ``ready`` is called when requests are answered and signals end it.
    """

    def __init__(self, app: ASGIApp, endpoint: LambdaEndpoint, ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,  # which would configure the loggers of the whole process
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=_SECONDS_FOR_ANSWERS,
            )
        )
        self._endpoint = endpoint
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def in_thread(self, listening: socket.socket) -> Iterator[None]:
        """Serve in a thread of its own, from the begin of the block to its end."""
        begun = Event()
        self._ready = begun.set

        def run() -> None:
            try:
                self.run(sockets=[listening])
            finally:
                begun.set()

        thread = Thread(target=run, name="durabletest-serve", daemon=True)
        thread.start()
        try:
            begun.wait()
            self.check_started()
            yield
        finally:
            begun.wait()  # an interrupt may come before the thread can be told to end
            self.should_exit = True
            thread.join()

    def check_started(self) -> None:
        """Raise :class:`CheckpointServerError` if it ended before it could serve anything."""
        if not self.started:
            raise CheckpointServerError("the endpoint did not start: see what uvicorn has logged")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._endpoint.closing.set()
        await super().shutdown(sockets)


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """SIGINT and SIGTERM end the block, after which the caller goes on, or the process ends with status 0.

    uvicorn sends itself again the signals that have ended it. Once SIGTERM has come, a second one does not keep from
    being undone what was begun in the block.
    """

    def end(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
