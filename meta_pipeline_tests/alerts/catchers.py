"""A webhook and a mail server on this machine that keep what they are sent."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """What a webhook was posted. `status` and `body` are what it answers."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    posted: list[Any] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.posted]


@dataclass
class Postbox:
    """Mails that were taken. Recipients with one of `refuse` in them are none to the server."""

    port: int = 0
    refuse: tuple[str, ...] = ()
    goodbye: str = "221 bye"
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextmanager
def hook() -> Iterator[Hook]:
    caught = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if caught.status < 300:
                caught.posted.append(json.loads(body))
            self.send_response(caught.status)
            self.end_headers()
            self.wfile.write(caught.body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        caught.url = f"http://127.0.0.1:{server.server_port}/services/T0/B0/S3CRET"
        with _serving(server):
            yield caught


class _SMTP(socketserver.StreamRequestHandler):
    """As much of SMTP as smtplib speaks: EHLO, AUTH PLAIN, MAIL, RCPT, DATA, RSET, QUIT."""

    caught: Postbox

    def handle(self) -> None:
        self._say("220 postbox")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "QUIT":
                self._say(self.caught.goodbye)
                return
            self._answer(verb, line)

    def _answer(self, verb: str, line: str) -> None:
        if verb == "EHLO":
            self._say("250-postbox")
            self._say("250 AUTH PLAIN")
        elif verb == "AUTH":
            self.caught.logins.append(line.split(" ")[2])
            self._say("235 welcome")
        elif verb == "RCPT" and any(one in line for one in self.caught.refuse):
            self._say("550 no such user, you said S3CRET")
        elif verb == "DATA":
            self._take()
        else:
            if verb == "RCPT":
                self.caught.recipients.append(line.partition(":")[2].strip("<> "))
            self._say("250 ok")

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.caught.mails.append(mail)
        self._say("250 taken")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def postbox() -> Iterator[Postbox]:
    box = Postbox()
    handler = type("Handler", (_SMTP,), {"caught": box})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        box.port = server.server_address[1]
        with _serving(server):
            yield box


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
