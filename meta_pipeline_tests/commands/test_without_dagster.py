"""Everything but Dagster's own commands works where Dagster cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

TINY = AccountSpec("Nordwind Shop", 1, 1, 1, (1, 1, 1))
# One process for all of them: each start of Python costs more than what it runs.
_CHILD = """
import json, sys
from importlib.abc import MetaPathFinder


class NoDagster(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("dagster"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NoDagster())
from typer.testing import CliRunner
from meta_pipeline.cli import app

ended = {}
for arguments in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, arguments)
    ended[" ".join(arguments)] = [result.exit_code, result.output]

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.ways import Way

settings = Settings.load(env_file=None)
with Warehouse(settings.require_database_url()) as warehouse:
    made = web_application(Site(settings, warehouse, Secret("x" * 32), Way.LINK))
ended["web"] = [0, type(made).__name__]
print(json.dumps(ended))
"""


def test_all_but_dagsters_own_commands_work(database_url: str, tmp_path: Path) -> None:
    with Simulator(World(seed=3, clock=WallClock(), accounts=(TINY,))) as sim:
        (account,) = sim.world.accounts()
        commands = [
            ["--version"],
            ["check", "--json"],
            ["plan", account.id],
            ["sync", account.id],
            ["status", "--json"],
            ["runs", "list"],
            ["accounts", "list"],
            ["rotation", "next"],
            ["connections", "--json"],
            ["metrics", "list"],
            ["ask", "spend yesterday"],
            ["check", "--data"],
            ["export", str(tmp_path / "lake")],
        ]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DATABASE_URL": database_url,
            "META_ACCESS_TOKEN": sim.token,
            "META_GRAPH_URL": sim.url,
            "META_BACKFILL_DAYS": "3",
        }
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, json.dumps(commands)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=4 * PATIENCE_SECONDS,
        )
    assert child.returncode == 0, child.stderr
    ended = json.loads(child.stdout.splitlines()[-1])
    failed = {name: said for name, (code, said) in ended.items() if code != 0}
    assert not failed
    assert account.values["name"] in ended["status --json"][1]
