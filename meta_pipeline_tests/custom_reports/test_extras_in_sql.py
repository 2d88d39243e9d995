"""SQL that tells extras from the rest names all of them, or it judges one of them wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import meta_pipeline
from meta_pipeline.model.part import EXTRAS

_LIST = re.compile(r"ARRAY\[([^\]]*'insights_hourly'[^\]]*)\]")
FILES = [
    path
    for path in Path(meta_pipeline.__path__[0]).rglob("*.sql*")
    if "versions" not in path.parts and _LIST.search(path.read_text(encoding="utf-8"))
]


def test_there_are_such_lists() -> None:
    assert {path.name for path in FILES} >= {"sync_health.sql", "freshness.sql", "accounts.sql"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_extra_is_in_the_list(path: Path) -> None:
    for listed in _LIST.findall(path.read_text(encoding="utf-8")):
        assert {*map(str, EXTRAS)} <= {*re.findall(r"'(\w+)'", listed)}
