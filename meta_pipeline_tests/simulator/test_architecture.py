"""The simulator's modules import each other in one direction, and no folder grows without end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import grimp
import pytest

import meta_pipeline.simulator

PACKAGE = "meta_pipeline.simulator"
FOLDER = Path(meta_pipeline.simulator.__file__).parent
MOST_FILES = 25


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Each module of the simulator with those of its own that it imports, type checking included.

    A package imports what it re-exports and no module imports its own package back.
    """
    graph = grimp.build_graph("meta_pipeline", cache_dir=None)
    modules = {name for name in graph.modules if name.startswith(PACKAGE)}
    return {name: graph.find_modules_directly_imported_by(name) & modules for name in modules}


def circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules that cannot be put into an order; none when nothing runs in a circle."""
    left = dict(imports)
    while ready := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in ready:
            del left[name]
    return sorted(left)


def test_no_module_imports_in_a_circle(imports: dict[str, set[str]]) -> None:
    assert len(imports) > 60
    assert circle(imports) == []


def test_a_circle_would_be_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_no_folder_shows_more_than_a_reader_takes_in() -> None:
    files = Counter(path.parent for path in FOLDER.rglob("*.py"))
    assert {str(folder): count for folder, count in files.items() if count > MOST_FILES} == {}


def test_the_public_surface_is_what_is_listed() -> None:
    listed = meta_pipeline.simulator.__all__
    assert sorted(listed, key=str.lower) == sorted(set(listed), key=str.lower)
    assert all(hasattr(meta_pipeline.simulator, name) for name in listed)
