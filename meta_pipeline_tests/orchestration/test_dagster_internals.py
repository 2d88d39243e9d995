"""The canary: what rests on Dagster's private parts is in one file, looked at for one version."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

import meta_pipeline
from meta_pipeline.definitions import defs
from meta_pipeline.orchestration import build, dagster_internals

ROOM = Path(meta_pipeline.__file__).parent
THE_FILE = Path(dagster_internals.__file__)
ENDINGS = ("_assets", "_defs", "_jobs")


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of each import of the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.name, "") for one in node.names)


def files() -> list[Path]:
    return [path for path in ROOM.rglob("*.py") if path != THE_FILE]


def test_dagster_is_the_version_that_was_looked_at() -> None:
    assert dg.__version__ == dagster_internals.VERSION, (
        f"Dagster is {dg.__version__}; its private parts were looked at in "
        f"{dagster_internals.VERSION}. For each name in orchestration/dagster_internals.py read "
        "what became of it, run the tests of orchestration and the slow ones of e2e, and only then "
        "change VERSION there."
    )


def test_no_other_file_reaches_into_dagster() -> None:
    inside = [
        (str(path.relative_to(ROOM)), module)
        for path in files()
        for module, _ in imported(path)
        if module.startswith("dagster") and any(part.startswith("_") for part in module.split("."))
    ]
    assert inside == []


@pytest.mark.parametrize("name", sorted(set(dagster_internals.__all__) - {"VERSION"}))
def test_nothing_of_it_is_left_over(name: str) -> None:
    assert hasattr(dagster_internals, name)
    assert any(
        module.endswith("dagster_internals") and one == name
        for path in files()
        for module, one in imported(path)
    )


def test_whatever_is_in_the_folder_is_in_the_graph() -> None:
    """A file that is added is loaded; nothing that Dagster shows is defined elsewhere."""
    repository = defs.get_repository_def()
    modules = {path.stem for path in Path(build.__file__).with_name("defs").glob("[!_]*.py")}
    found = {
        fn.__module__.rpartition(".")[2]
        for asset in repository.assets_defs_by_key.values()
        if (fn := getattr(getattr(asset.op, "compute_fn", None), "decorated_fn", None))
    }
    assert found <= modules
    assert {"accounts", "sync", "extras", "metrics", "quality", "report", "overview"} <= found
