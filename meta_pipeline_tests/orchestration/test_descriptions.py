"""Descriptions of events: Dagster shows them as Markdown, and Meta's words are none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_pipeline import orchestration
from meta_pipeline.printable import markdown_lines

EVENTS = {
    "AssetCheckEvaluation",
    "AssetCheckResult",
    "AssetMaterialization",
    "AssetObservation",
    "MaterializeResult",
    "ObserveResult",
}


def descriptions() -> Iterator[tuple[str, ast.expr]]:
    """Where an event is made, and what it is described by."""
    for path in sorted(Path(orchestration.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in EVENTS:
                for keyword in node.keywords:
                    if keyword.arg == "description":
                        yield f"{path.name}:{keyword.value.lineno}", keyword.value


def is_text(value: ast.expr) -> bool:
    """Whether nothing of others in it can be Markdown."""
    if isinstance(value, ast.IfExp):
        return is_text(value.body) and is_text(value.orelse)
    is_escaped = isinstance(value, ast.Call) and ast.unparse(value.func) == "markdown_lines"
    return is_escaped or isinstance(value, ast.Constant)


def test_every_event_describes_itself_in_text() -> None:
    made = dict(descriptions())
    assert len(made) >= 10, "the test looks where events are made"
    assert [place for place, value in made.items() if not is_text(value)] == []


@pytest.mark.parametrize(
    "name",
    [
        "![x](https://evil.example/p.png)",
        "[Log in again](https://evil.example)",
        "<https://evil.example>",
        "<img src=https://evil.example/p.png>",
        "www.evil.example",
    ],
)
def test_a_name_stays_a_name_on_every_line(name: str) -> None:
    shown = markdown_lines(f"Nothing delivered by {name}\n{name} was refused")
    first, second = shown.split("\n")
    for line in (first, second):
        assert "](" not in line.replace("\\]\\(", "").replace("\\](", "")
        assert "<" not in line.replace("\\<", "")
        assert "https://" not in line
        assert "www." not in line
