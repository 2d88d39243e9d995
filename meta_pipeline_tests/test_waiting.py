"""No test fails because the machine has other work: none waits as short as a library does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CLIENTS = {"httpx2", "requests"}
CALLS = {"AsyncClient", "Client", "Session", "get", "post", "put", "patch", "delete", "head"} | {
    "options",
    "request",
    "stream",
}
MEANT_SECONDS = 1.0
"""A literal below this is what the test is about: an answer that comes too late."""


def impatient(source: str) -> Iterator[int]:
    """Lines of HTTP calls that give up by default, or after a number of seconds of their own."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=client), attr=name)) if (
                client in CLIENTS and name in CALLS and (client, name) != ("requests", "Session")
            ):
                given = {one.arg: one.value for one in node.keywords}
                match given.get("timeout"):
                    case None if None not in given:
                        yield node.lineno
                    case ast.Constant(value=int() | float() as seconds) if seconds >= MEANT_SECONDS:
                        yield node.lineno


def test_whoever_calls_a_server_waits_as_long_as_any_machine_needs() -> None:
    hasty = [
        f"{path.relative_to(HERE)}:{line}"
        for path in sorted(HERE.rglob("*.py"))
        for line in impatient(path.read_text(encoding="utf-8"))
    ]
    assert hasty == [], "give these timeout=PATIENCE_SECONDS (waiting.py)"


@pytest.mark.parametrize(
    ("call", "lines"),
    [
        ("httpx2.get(url)", [1]),
        ("httpx2.AsyncClient(headers=headers)", [1]),
        ("requests.post(url, timeout=30)", [1]),
        ("httpx2.get(url, timeout=PATIENCE_SECONDS)", []),
        ("httpx2.get(url, **given)", []),
        ("requests.get(url, timeout=0.2)", []),
    ],
)
def test_it_sees_them(call: str, lines: list[int]) -> None:
    assert list(impatient(call)) == lines
