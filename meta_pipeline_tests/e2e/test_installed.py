"""The wheel where nothing else is: `pipx install meta-pipeline && meta-pipeline demo`.

With every Python it says it runs on, and with the oldest packages it says it runs with.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.local.database import DEMO_DATABASE
from meta_pipeline.orchestration.dagster_internals import VERSIONS

from .environments import ROOT, Environment, python, wheel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

EXTRAS = {"mcp", "celery", "dagster_celery", "dagster_k8s", "matplotlib", "pyarrow", "fsspec"}
IMPORT_ALL = f"""
import importlib, pkgutil, meta_pipeline
for module in pkgutil.walk_packages(meta_pipeline.__path__, "meta_pipeline."):
    if ".migrations." in module.name or module.name.endswith(("__main__", "pytest_plugin")):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as missing:
        assert missing.name.partition(".")[0] in {EXTRAS!r}, (module.name, missing)
print(meta_pipeline.__file__)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where an embedded server may live: as root its account must reach it."""
    path = Path(tempfile.mkdtemp(prefix="meta-pipeline-installed-"))
    path.chmod(0o755)
    yield path
    EmbeddedPostgres(path / "data", database=DEMO_DATABASE).reset(force=True)
    shutil.rmtree(path)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_newcomer_has_nothing_but_python(built: Path, folder: Path, version: str) -> None:
    found = python(version)
    if found is None:
        pytest.skip(f"no Python {version} is on this machine")
    environment = Environment.made(folder / "venv", folder, found)
    environment.install(built)
    the_demo_works(environment)
    refused = environment.run("meta-pipeline", "mcp", must=False)
    assert "pip install 'meta-pipeline[mcp]'" in refused.stderr, "an extra is named"
    assert refused.returncode == 1


def test_the_oldest_packages_do(built: Path, folder: Path) -> None:
    """Each at the lower end of its range, Dagster too."""
    environment = Environment.made(folder / "venv", folder, python("3.11") or "3.11")
    environment.install("--resolution", "lowest-direct", "-r", ROOT / "pyproject.toml")
    environment.install("--no-deps", built)
    assert environment.version("dagster") == VERSIONS[0]
    the_demo_works(environment)


def the_demo_works(environment: Environment) -> None:
    data = {"META_PIPELINE_DATA": str(environment.folder / "data")}
    assert environment.run("meta-pipeline", "--version").stdout.strip() == "0.1.0"
    where = environment.run("python", "-c", IMPORT_ALL).stdout
    assert str(environment.path) in where, "the installed package, not this source"
    done = environment.run(
        *("meta-pipeline", "demo", "--no-ui", "--latency-ms", "0"), env=data, timeout_seconds=900
    )
    assert "12 ad accounts found" in done.stdout
    assert "1,833" in done.stdout
    # What the README shows next.
    table = environment.run("meta-pipeline", "status", "--demo", env=data)
    assert "2EZi" in table.stdout
