"""docs/metrics.md and its neighbour do what they say: commands, SQL and the example file."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from meta_pipeline.cli import app
from meta_pipeline.metrics import read_dictionary
from meta_pipeline.metrics.answers.period import PRESETS
from meta_pipeline.warehouse import views
from meta_pipeline.warehouse.schema import SCHEMA

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    name: (DOCS / name).read_text() for name in ("metrics.md", "reconcile-with-ads-manager.md")
}
METRICS = PAGES["metrics.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [
        code for page in PAGES.values() for kind, code in BLOCK.findall(page) if kind == language
    ]


@pytest.mark.parametrize(
    "statement",
    [one.strip() for block in blocks("sql") for one in block.split(";") if one.strip()],
)
def test_sql_runs(statement: str, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "line", [line for block in blocks("") for line in block.splitlines() if line.strip()]
)
def test_commands_exist_with_their_options(line: str) -> None:
    words = shlex.split(line.split(" #", maxsplit=1)[0].split(" > ", maxsplit=1)[0])
    if "=" in words[0]:
        assert words.pop(0).partition("=")[0] in (DOCS / "settings.md").read_text()
    assert words.pop(0) == "meta-pipeline"
    told = CliRunner().invoke(app, [*words, "--help"])

    # With --help every option before it is parsed, and nothing is run.
    assert told.exit_code == 0, told.output
    command: Any = typer.main.get_command(app)
    known: set[str] = set()
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
        known |= {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_example_dictionary_is_right(tmp_path: Path) -> None:
    (example,) = blocks("yaml")
    path = tmp_path / "metrics.yaml"
    path.write_text(example)

    dictionary = read_dictionary(path)

    assert dictionary.metric("signups").formula == "sum(leads + registrations)"
    assert len(dictionary.overrides) == 2


def test_every_preset_and_every_view_for_analysts_is_named() -> None:
    for name in PRESETS:
        assert f"`{name}`" in METRICS
    for view in views.declared():
        if "daily_" in view.query or view.name in ("entity_timeline", "restatement_by_age"):
            assert f"`{view.name}`" in METRICS, view.name


def test_tables_named_in_the_pages_exist(database_url: str) -> None:
    named = {name for page in PAGES.values() for name in re.findall(rf"{SCHEMA}\.(\w+)", page)}
    with psycopg.connect(database_url) as connection:
        for name in named - {"now"}:
            found = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.{name}",)).fetchone()
            assert found != (None,), name
