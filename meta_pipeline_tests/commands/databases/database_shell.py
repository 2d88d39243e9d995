"""A shell whose DATABASE_URL changes, against one small simulated account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from meta_pipeline.cli import app
from meta_pipeline.settings import current
from meta_pipeline.simulator import Simulator, WallClock, World
from meta_pipeline_tests.midday import MIDDAY_SHOP
from meta_pipeline_tests.warehouse.places import PASSWORD

TOKEN = "EAAVERYSECRETTOKEN"


@dataclass
class Shell:
    sim: Simulator
    set: Callable[[str, str], None]

    @property
    def account_id(self) -> str:
        return self.sim.world.accounts()[0].id

    def run(self, url: str, *arguments: str) -> Result:
        self.set("DATABASE_URL", url)
        current.cache_clear()
        result = CliRunner().invoke(
            app, [self.account_id if one == "ACT" else one for one in arguments]
        )
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        for secret in (TOKEN, PASSWORD, "Secr3t", "Tail9x"):
            assert secret not in result.output, result.output
        return result

    def refused(self, url: str, *arguments: str) -> str:
        """The one sentence in which the command refuses."""
        result = self.run(url, *arguments)
        assert result.exit_code == 1, result.output
        told = " ".join(result.output.split())
        assert "report it" not in told
        return told


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(
        World(seed=5, clock=WallClock(), accounts=(MIDDAY_SHOP,)), token=TOKEN
    ) as running:
        yield running


@pytest.fixture
def shell(sim: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("META_ACCESS_TOKEN", TOKEN),
        ("META_GRAPH_URL", sim.url),
        ("META_BACKFILL_DAYS", "2"),
        ("COLUMNS", "4000"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_PG_URL", raising=False)
    yield Shell(sim, monkeypatch.setenv)
    current.cache_clear()
