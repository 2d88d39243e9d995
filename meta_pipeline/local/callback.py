"""Callback: a door on http://localhost:PORT/callback, for one answer of Meta's login dialog."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Self
from urllib.parse import parse_qsl, urlsplit

PATH = "/callback"
# The code Meta leads back with is some hundred bytes; who sends more is not a browser.
_LONGEST = 8_192
_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    # The address of the page has the code in it.
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "connection": "close",
}
_PAGE = (
    "<!doctype html><meta charset=utf-8><title>{title}</title>"
    "<body style='font:16px sans-serif;max-width:40em;margin:4em auto'>"
    "<h1>{title}</h1><p>{text}</p><p>You can close this page and go back to the terminal.</p>"
)


class PortTaken(Exception):
    """Another process listens on the port; Meta leads back to no other."""


class CallbackDoor:
    """Listens on this machine's own addresses, IPv4 and IPv6, while it is open.

    `answer` gets the query of each GET of /callback and gives title and text of the page that the
    browser shows, and whether that was it. Queries are logged nowhere: they hold a code. Raises
    PortTaken.
    """

    def __init__(
        self, port: int, answer: Callable[[Mapping[str, str]], tuple[str, str, bool]]
    ) -> None:
        self._over: Queue[BaseException | None] = Queue()
        self._answer, self._one_by_one = answer, Lock()
        handler = self._handler(port)
        self._servers = [_server(socket.AF_INET, "127.0.0.1", port, handler)]
        try:
            # A browser may take localhost for either: the other must not be somebody else's.
            with suppress(OSError):  # a machine without IPv6
                self._servers.append(_server(socket.AF_INET6, "::1", port, handler))
        except PortTaken:
            self._servers[0].server_close()
            raise
        self._threads = [
            # shutdown() waits for as long.
            Thread(target=one.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
            for one in self._servers
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def wait(self, seconds: float) -> bool:
        """Whether the answer came within so many seconds; raises what `answer` raised."""
        try:
            error = self._over.get(timeout=max(seconds, 0))
        except Empty:
            return False
        if error is not None:
            raise error
        return True

    def _handler(self, port: int) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                # A name of somebody else's that leads to this machine is not ours.
                is_ours = self.headers.get("host", "") in {f"localhost:{port}", "localhost"}
                parts = urlsplit(self.path)
                if not is_ours or parts.path != PATH or len(self.path) > _LONGEST:
                    self._send(404, "Nothing is here", "Meta leads back to /callback.")
                    return
                self._send(*door._heard(dict(parse_qsl(parts.query, keep_blank_values=True))))

            def _send(self, status: int, title: str, text: str) -> None:
                self.send_response(status)
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                self.end_headers()
                page = _PAGE.format(title=escape(title), text=escape(text))
                self.wfile.write(page.encode())

            def log_message(self, *_: object) -> None:
                """Nothing: the path holds the code."""

        return Handler

    def _heard(self, query: Mapping[str, str]) -> tuple[int, str, str]:
        with self._one_by_one:
            try:
                title, text, is_over = self._answer(query)
            except BaseException as error:  # told in the terminal
                self._over.put(error)
                return 500, "That went wrong", "The terminal says why."
            if is_over:
                self._over.put(None)
            return 200, title, text


def _server(
    family: socket.AddressFamily, host: str, port: int, handler: type[BaseHTTPRequestHandler]
) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        address_family = family
        daemon_threads = True
        # The port of a login that has just ended is free again at once.
        allow_reuse_address = True

    try:
        return Server((host, port), handler)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortTaken(
                f"Port {port} of this machine cannot be used ({error.strerror}): end what listens "
                "there, or set META_LOGIN_PORT to another and register its address with the app."
            ) from None
        raise
