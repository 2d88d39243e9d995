from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from .lab import Lab, lab

_MARKS = {"success": "ok", "partial": "partial", "throttled": "waits", "fail": "fails"}
_WORST = ("ok", "partial", "fails", "waits")


@pytest.fixture
def small(database_url: str) -> Iterator[Lab]:
    """One account of 60 entities, 20 ads of it active, with a backfill of ten days."""
    with lab(database_url) as found:
        yield found
        found.sim.check()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The fault matrix: how a sync ended, and how many calls more than undisturbed it took."""
    cells = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", ())
        if name == "fault_matrix"
    ]
    if cells:
        terminalreporter.section("fault matrix")
        for line in matrix(cells):
            terminalreporter.write_line(line)


def matrix(cells: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line for each fault, one column for each edge; the worst of its places and durations."""
    table: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    edges: dict[str, None] = {}
    for cell in cells:
        table[cell["fault"]][cell["edge"]].append(cell)
        edges[cell["edge"]] = None
    yield f"{'fault':27}" + "".join(f"{edge:>15}" for edge in edges)
    for fault, found in table.items():
        yield f"{fault:27}" + "".join(f"{_shown(found[edge]):>15}" for edge in edges)
    yield "how the sync ended (worst case), calls beyond an undisturbed sync (most)"
    total = sum(len(some) for found in table.values() for some in found.values())
    yield f"{total} cases; after each of them one clean sync made the tables equal to the world"


def _shown(cells: list[dict[str, Any]]) -> str:
    if not cells:
        return ""
    marks = sorted((_MARKS[cell["status"]] for cell in cells), key=_WORST.index)
    return f"{marks[-1]} {max(cell['extra_calls'] for cell in cells):+d}"
