"""Everything but Dagster's own commands works where Dagster cannot be imported."""

from __future__ import annotations

from pathlib import Path

from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World

from .left_out import run_without

TINY = AccountSpec("Nordwind Shop", 1, 1, 1, (1, 1, 1))
_WEB = """
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import SignIn

settings = Settings.load(env_file=None)
with Warehouse(settings.require_database_url()) as warehouse:
    made = web_application(Site(settings, warehouse, Secret("x" * 32), SignIn.LINK))
ended["web"] = [0, type(made).__name__]
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
        ended = run_without(
            ["dagster"],
            commands,
            more=_WEB,
            folder=tmp_path,
            database_url=database_url,
            sim=sim,
        )
    assert not {name: said for name, (code, said) in ended.items() if code != 0}
    assert "web" in ended
    assert account.values["name"] in ended["status --json"][1]
