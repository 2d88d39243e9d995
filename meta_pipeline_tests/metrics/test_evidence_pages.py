"""The example of deploy/evidence: its sources are read, its page asks only for what they give."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from .world import World

EVIDENCE = Path(__file__).parents[2] / "deploy" / "evidence"
SOURCES = {path.stem: path for path in sorted(EVIDENCE.glob("sources/meta_ads/*.sql"))}
PAGE = (EVIDENCE / "pages" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_rows(world: World, source: str) -> None:
    with psycopg.connect(world.lab.warehouse.url) as connection:
        cursor = connection.execute(SOURCES[source].read_text(encoding="utf-8"))
        assert cursor.description is not None
        assert cursor.fetchone() is not None


def test_the_page_asks_for_what_there_is() -> None:
    asked = set(re.findall(r"meta_ads\.(\w+)", PAGE))
    assert asked == set(SOURCES)
    shown = set(re.findall(r"<\w+ data=\{(\w+)\}", PAGE))
    assert shown == set(re.findall(r"^```sql (\w+)$", PAGE, re.MULTILINE))
