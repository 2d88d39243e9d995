"""Nobody fills the memory of the web application, whoever they are and wherever they send it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount

from meta_pipeline.web import Site, web_application
from meta_pipeline.web.bounds import MOST_BYTES
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

_CHUNK = b"x" * 65_536
CHARSETS = (
    "unicode_escape", "raw_unicode_escape", "utf-7", "idna", "punycode", "undefined", "hex", "zlib",
    "rot13", "utf-16", "utf-32", "nobody", "", "utf-8%00", "x" * 500,
)  # fmt: skip
"""What Python calls codecs, some of which are none of text, and what it does not know."""


def posts(routes: Iterable[BaseRoute], before: str = "") -> Iterator[str]:
    for route in routes:
        path = before + getattr(route, "path", "")
        if "POST" in (getattr(route, "methods", None) or ()):
            yield path
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            known = route.app.openapi()["paths"].items()
            yield from (f"{path}{name}" for name, methods in known if "post" in methods)
        elif isinstance(route, Mount):
            yield from posts(route.routes or (), path)


def status_of(base_url: str, path: str) -> int:
    """Of a request that has sent a little more than the most, and never says that it ends."""
    address = urlsplit(base_url)
    assert address.hostname
    with socket.create_connection(
        (address.hostname, address.port or 80), timeout=PATIENCE_SECONDS
    ) as sent:
        sent.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nTransfer-Encoding: chunked\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode()
        )
        try:
            for _ in range(MOST_BYTES // len(_CHUNK) + 1):
                sent.sendall(b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK))
        except OSError:
            pass  # it was refused before all of it was there
        return int(sent.recv(65_536).split()[1])


def test_a_request_that_does_not_end_is_refused_at_every_address(site: Site, base_url: str) -> None:
    paths = sorted({path.rstrip("/") or "/" for path in posts(web_application(site).routes)})
    assert {"/sign-out", "/sync", "/v1/ask", "/webhooks/meta"} <= set(paths), paths
    for path in paths:
        # 401, 403 and 503: who is let in, or the secret that is not set, is looked at first.
        assert status_of(base_url, path) in (401, 403, 413, 503), path


HEADS = (b"", b"/ HTTP/1.1\r\nX: ", b"/ HTTP/1.1\r\n")
"""Where a head goes on for ever: in its address, in one header, in the number of its headers."""


@pytest.mark.parametrize("begin", HEADS)
def test_a_head_that_does_not_end_is_refused(base_url: str, begin: bytes) -> None:
    address = urlsplit(base_url)
    assert address.hostname
    chunk = b"X: 1\r\n" * 10_000 if begin == HEADS[-1] else _CHUNK
    with socket.create_connection(
        (address.hostname, address.port or 80), timeout=PATIENCE_SECONDS
    ) as sent:
        sent.sendall(b"GET " + (begin or b"/"))
        with suppress(OSError):  # it was refused before all of it was there
            for _ in range(MOST_BYTES // len(chunk) + 1):
                sent.sendall(chunk)
        with suppress(ConnectionResetError):
            assert sent.recv(65_536).split()[1:2] in ([], [b"400"])


def test_every_server_of_ours_bounds_the_head_of_a_request() -> None:
    """By its text: what reads requests is said where uvicorn is told to serve."""
    told = {
        (path.name, call.count("http=BoundedHttp"))
        for path in Path(str(files("meta_pipeline.commands"))).rglob("*.py")
        for call in re.findall(r"uvicorn\.(?:run|Config)\((?:.|\n)*?log_level", path.read_text())
    }
    assert told == {("web.py", 1), ("mcp.py", 1), ("exporter.py", 1)}


def test_a_length_beyond_the_most_is_refused_unread(base_url: str) -> None:
    address = urlsplit(base_url)
    assert address.hostname
    for length in (str(MOST_BYTES + 1), "9" * 30):
        with socket.create_connection(
            (address.hostname, address.port or 80), timeout=PATIENCE_SECONDS
        ) as sent:
            sent.sendall(
                f"POST /sign-out HTTP/1.1\r\nHost: {address.netloc}\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {length}\r\n\r\n".encode()
            )
            assert sent.recv(65_536).split()[1] in (b"413", b"400"), length


@pytest.mark.parametrize(
    "kind",
    [
        *(f"multipart/form-data; boundary=b; charset={name}" for name in CHARSETS),
        *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary"),
        *(f"multipart/form-data; boundary={'b' * 300}", "multipart/form-data; boundary=\xff"),
        *("application/x-www-form-urlencoded; charset=idna", "application/json", "", "x"),
    ],
)
def test_a_form_of_any_kind_is_answered(browser: httpx2.Client, kind: str) -> None:
    token = csrf_of(browser)
    for value in (b"viewer", b"\\ud800", b"+2AA-", b"\xff\xfe\x00", b"xn--\xff", b"%ED%A0%80"):
        for name in (b"csrf", b"subject"):
            given = {b"csrf": token.encode(), b"subject": b"", b"role": b"viewer"} | {name: value}
            parts = b"".join(
                b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % pair
                for pair in given.items()
            )
            plain = b"&".join(b"%b=%b" % pair for pair in given.items())
            for body in (parts + b"--b--\r\n", parts, plain, b""):
                answer = browser.post(
                    "/members",
                    content=body,
                    headers={b"Content-Type": kind.encode("latin-1")},
                    follow_redirects=False,
                )
                assert answer.status_code < 500, (kind, name, value, body[:20])


def csrf_of(browser: httpx2.Client) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/members").text)
    assert found
    return found[1]
