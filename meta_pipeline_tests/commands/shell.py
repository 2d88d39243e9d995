"""A shell with the settings of a test's own simulator and database; it hears every output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from meta_pipeline.cli import app
from meta_pipeline.settings import current
from meta_pipeline.simulator import AccountSpec, Simulator, VirtualClock, WallClock, World
from meta_pipeline_tests.midday import zone_at_midday

TOKEN = "EAAVERYSECRETTOKEN"

ZONE = zone_at_midday()


def spec(name: str, **more: Any) -> AccountSpec:
    """A small ad account."""
    return AccountSpec(name, 2, 2, 3, (1, 1, 1), zone=ZONE, currency="EUR", **more)


@dataclass
class Shell:
    """`run` is a command line; afterwards no output may have the token."""

    sim: Simulator
    url: str
    patch: pytest.MonkeyPatch
    outputs: list[str] = field(default_factory=list)
    _looking: psycopg.Connection | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of the accounts, in the order they were given."""
        return [one.id for one in self.sim.world.accounts()]

    def run(self, *given: str, typed: str = "") -> Result:
        """One command line, with what a person types."""
        current.cache_clear()
        result = CliRunner().invoke(app, given, input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            given,
            result.exception,
        )
        assert "Unexpected" not in result.output, (given, result.output)
        self.outputs.append(result.output)
        return result

    def json(self, *given: str) -> Any:
        """What a command tells programs."""
        return json.loads(self.run(*given, "--json").stdout)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database holds; a transaction of its own, on a connection that is kept.

        A connection costs Postgres as much as a hundred small questions.
        """
        if self._looking is None or self._looking.closed:
            self._looking = psycopg.connect(self.url, autocommit=True)
        return self._looking.execute(query, values).fetchall()

    def close(self) -> None:
        """Let go of the database."""
        if self._looking is not None:
            self._looking.close()


@contextmanager
def shell_of(
    url: str,
    patch: pytest.MonkeyPatch,
    folder: Path,
    *accounts: AccountSpec,
    days: int = 3,
    clock: VirtualClock | None = None,
) -> Iterator[Shell]:
    """A shell on a simulator with these accounts, in an empty folder.

    Meta's clock is the machine's, or `clock`.
    """
    patch.chdir(folder)
    world = World(seed=5, clock=clock or WallClock(), accounts=accounts)
    with Simulator(world, token=TOKEN) as sim:
        for name, value in {
            "META_ACCESS_TOKEN": TOKEN,
            "META_GRAPH_URL": sim.url,
            "DATABASE_URL": url,
            "META_BACKFILL_DAYS": str(days),
            "COLUMNS": "200",
        }.items():
            patch.setenv(name, value)
        found = Shell(sim, url, patch)
        try:
            yield found
        finally:
            found.close()
        assert not [output for output in found.outputs if TOKEN in output]
    current.cache_clear()
