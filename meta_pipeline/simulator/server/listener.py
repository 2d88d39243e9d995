"""uvicorn on a socket of its own, in a thread, ready when it listens."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import suppress
from typing import Any

import uvicorn

_START_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 0.1
# What is being answered when the end is asked for may be answered so long.
_GRACE_SECONDS = 0.1


class Listener:
    """Serves an ASGI application until `stop`; binds at once, so the port is known early."""

    def __init__(self, app: Any, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = _listening_socket(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        # A connection broken on purpose is no news.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self._server = PromptServer(config)
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def start(self) -> None:
        """Serve from a daemon thread; returns when requests are answered."""
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="graph-simulator", daemon=True
        )
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            raise RuntimeError(f"the simulator did not start listening on {self.address}")

    def run(self) -> None:
        """Serve in this thread until interrupted."""
        self._server.run([self._socket])

    def stop(self) -> None:
        self._server.end()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._socket.close()


class PromptServer(uvicorn.Server):
    """A server that says when it is ready, and ends as soon as a thread asks it to.

    uvicorn looks ten times a second whether it should, and then sleeps for another tenth. Signals
    are left alone when not in the main thread.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """Stop serving; from any thread, also before it serves or when it does no more."""
        self.force_exit = self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it is over already
                self._loop.call_soon_threadsafe(self._ended.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                    await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.force_exit:
            await super().shutdown(sockets)
            return
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_GRACE_SECONDS)


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # A port that closed a moment ago may be taken again: tests restart simulators on one port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise RuntimeError(
            f"port {port} on {host} is not free ({error.strerror}): "
            "stop what listens there, or choose another port (0 picks a free one)"
        ) from error
    listener.listen(512)
    return listener
