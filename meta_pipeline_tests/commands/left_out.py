"""Commands in a process of their own, in which some packages cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from meta_pipeline.simulator import Simulator
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

Ended = dict[str, tuple[int, str]]
"""By the words of a command: its exit code and what it printed."""
# One process for all of them: each start of Python costs more than what it runs.
_CHILD = """
import json, sys
from importlib.abc import MetaPathFinder

left_out, commands, more = json.loads(sys.argv[1])


class LeftOut(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith(tuple(left_out)):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, LeftOut())
from typer.testing import CliRunner
from meta_pipeline.cli import app

ended = {}


def run(arguments):
    result = CliRunner().invoke(app, arguments)
    ended[" ".join(arguments)] = [result.exit_code, result.output]


for arguments in commands:
    run(arguments)
exec(more)
print(json.dumps(ended))
"""


def run_without(
    left_out: Sequence[str],
    commands: Sequence[Sequence[str]],
    *,
    more: str = "",
    folder: Path,
    database_url: str,
    sim: Simulator,
) -> Ended:
    """Run the commands where packages of these beginnings are not there, from `folder`.

    `more` is Python that follows in the same process; it may put into `ended` and `run` others.
    """
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps([left_out, commands, more])],
        cwd=folder,  # first on the path, before what is installed
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
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
    return {name: (code, said) for name, (code, said) in ended.items()}
