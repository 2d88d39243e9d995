"""The canary: what rests on Dagster's private parts is in one file, looked at for one version."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import dagster as dg
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import meta_pipeline
from meta_pipeline.definitions import defs
from meta_pipeline.orchestration import build, dagster_internals

ROOM = Path(meta_pipeline.__file__).parent
THE_FILE = Path(dagster_internals.__file__)
PROJECT = tomllib.loads((ROOM.parent / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> list[tuple[str, str]]:
    """Module and name of each import of the file."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += ((node.module, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            found += ((one.name, "") for one in node.names)
    return found


def files() -> list[Path]:
    return [path for path in ROOM.rglob("*.py") if path != THE_FILE]


def test_dagster_is_of_the_versions_that_were_looked_at() -> None:
    oldest, newest = dagster_internals.VERSIONS
    assert dg.__version__ in (oldest, newest), (
        f"Dagster is {dg.__version__}; its private parts were looked at in {oldest} and {newest}. "
        "For each name in orchestration/dagster_internals.py read what became of it, run the tests "
        "of orchestration and the slow ones of e2e, and only then change VERSIONS there."
    )


def test_the_range_that_may_be_installed_is_the_one_that_was_looked_at() -> None:
    oldest, newest = map(Version, dagster_internals.VERSIONS)
    needs = [Requirement(one) for one in PROJECT["project"]["dependencies"]]
    allowed = {one.name: one.specifier for one in needs if one.name.startswith("dagster")}
    assert set(allowed) == {"dagster", "dagster-postgres", "dagster-webserver"}
    # Dagster's libraries are numbered 0.16 behind: 1.12 is 0.28.
    for name, behind in (("dagster", 0), ("dagster-webserver", 0), ("dagster-postgres", 16)):
        major, minor = (0, behind) if behind else (1, 0)
        ends = [f"{major}.{one.minor + minor}" for one in (oldest, newest)]
        after = f"{major}.{newest.minor + minor + 1}"
        assert allowed[name] == SpecifierSet(f">={ends[0]},<{after}")


def test_no_other_file_reaches_into_dagster() -> None:
    inside = [
        (str(path.relative_to(ROOM)), module)
        for path in files()
        for module, _ in imported(path)
        if module.startswith("dagster") and any(part.startswith("_") for part in module.split("."))
    ]
    assert inside == []


@pytest.mark.parametrize("name", sorted(set(dagster_internals.__all__) - {"VERSIONS"}))
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
