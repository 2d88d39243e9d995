"""A real HTTP server that gives the answers it was told to, in order, and keeps the questions."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Reply:
    """One answer. `body` that is not bytes is sent as JSON.

    `fault`: "drop" closes without an answer, "half" stops in the middle of the body, "silent"
    never answers, "bad_gzip" damages the compression.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    zipped: bool = False

    def payload(self) -> bytes:
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        if self.fault == "bad_gzip":
            return gzip.compress(raw)[:-12] + b"0123456789ab"
        return gzip.compress(raw) if self.zipped else raw


@dataclass(frozen=True)
class Asked:
    """One question as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]
    raw_target: str
    client_port: int

    @property
    def params(self) -> dict[str, str]:
        return {**self.query, **self.form}


Script = Callable[[Asked], Reply]


class ScriptedServer:
    """Answers from a list (the last one repeats when `forever`), or from a function."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._script: list[Reply] | Script = []
        self._lock = threading.Lock()
        self.released = threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, *replies: Reply) -> None:
        self._script = list(replies)

    def answer_with(self, script: Script) -> None:
        self._script = script

    def take(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            if not isinstance(self._script, list):
                return self._script(asked)
            if not self._script:
                return Reply({"error": {"message": "script is over", "code": 3}}, status=400)
            return self._script.pop(0)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: ScriptedServer

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        target = urlsplit(self.path)
        asked = Asked(
            method=self.command,
            path=target.path,
            query=_flat(target.query),
            form=_flat(body),
            headers={name.lower(): value for name, value in self.headers.items()},
            raw_target=self.path,
            client_port=self.client_address[1],
        )
        self._reply(self.owner.take(asked))

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names http.server calls

    def _reply(self, reply: Reply) -> None:
        if reply.fault in {"drop", "silent"}:
            if reply.fault == "silent":
                self.owner.released.wait(5)
            self.close_connection = True
            return
        payload = reply.payload()
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", **reply.headers}
        if reply.zipped or reply.fault == "bad_gzip":
            headers["Content-Encoding"] = "gzip"
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if reply.fault == "half":
            self.wfile.write(payload[: len(payload) // 2])
            self.close_connection = True
        else:
            self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test output clean."""


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


def error(
    code: int,
    subcode: int | None = None,
    message: str = "refused",
    *,
    status: int = 400,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Reply:
    """An error answer in Meta's shape."""
    body: dict[str, Any] = {"message": message, "code": code, "fbtrace_id": "AbCdEf", **more}
    if subcode is not None:
        body["error_subcode"] = subcode
    return Reply({"error": body}, status=status, headers=headers or {})


def page(rows: list[Any], after: str | None = None, *, more: bool = False, **kwargs: Any) -> Reply:
    """A page in Meta's shape; `more` adds a `next` (with a token in it, as Meta's has)."""
    body: dict[str, Any] = {"data": rows}
    if after is not None:
        body["paging"] = {"cursors": {"before": "MAZDZD", "after": after}}
        if more:
            body["paging"]["next"] = f"https://evil.example/x?access_token=EAABleak&after={after}"
    return Reply(body, **kwargs)


def batch_reply(asked: Asked, answer: Callable[[str], tuple[int, Any] | None]) -> Reply:
    """Answer every operation of a batch with `answer(relative_url)`: (code, body), or null."""
    entries: list[dict[str, Any] | None] = []
    for operation in json.loads(asked.form["batch"]):
        given = answer(operation["relative_url"])
        if given is None:
            entries.append(None)
            continue
        code, body = given
        text = body if isinstance(body, str) else json.dumps(body)
        entries.append({"code": code, "headers": [], "body": text})
    return Reply(entries)
