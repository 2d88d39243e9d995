"""Every command in a world whose every text is meant to do harm: none crashes, none obeys."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from psycopg import sql
from typer.testing import CliRunner, Result

from meta_pipeline.cli import app
from meta_pipeline.commands.terminal import questions
from meta_pipeline.commands.terminal.console import write_csv
from meta_pipeline.settings import current
from meta_pipeline.simulator import AccountSpec, Fault, Simulator, WallClock, World
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.commands.tree import UNENDING, arguments, commands

TOKEN = "EAAVERYSECRETTOKEN"
HOSTILE = [
    "Shop [/b]",
    "[red]Sale[/red] [link=http://evil.example]x[/link]",
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200f",
    "x" * 400,
    "👩‍👩‍👧 日本語 店舗 🛒",
    "one\ntwo\r\nthree\x85four",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "\x9b31mC1\x90\x9c",
    "%s {0} {name} %(x)s \\",
]
_ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TEXTS = """
    SELECT table_name, column_name FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'meta_ads' AND table_type = 'BASE TABLE' AND data_type = 'text'
        AND column_name ~ '(name|note|error_summary|error_message|explanation|^value|old_value'
            '|new_value|actor|reason|detail|sample_id|holder|goal|title|body|event_type)'
        AND table_name !~ '^(schema_|metric_|alembic)'
"""


class Terminal(io.StringIO):
    """Standard output of somebody who looks at it."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_obeys_no_cell_of_a_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stdout", where)
        write_csv(["name"], [{"name": text} for text in HOSTILE])
        assert bool(_ESCAPES.search(where.getvalue())) is not where.isatty()


@pytest.mark.parametrize("ask", [questions.insist, lambda text: questions.confirmed(text, "no")])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_question_is_one_line_that_no_terminal_obeys(
    name: str, ask: Callable[[str], Any]
) -> None:
    command = typer.Typer()
    command.command()(lambda: ask(f"Remove {name}?"))
    result = CliRunner().invoke(command, input="y\n")
    assert result.exit_code == 0
    assert not _ESCAPES.search(result.output)
    assert result.output.count("\n") == 1


@pytest.fixture
def hostile(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An account that was read, its texts spoilt, and others named by each of the texts."""
    name = f"=Shop [/b]\x1b[2J\u202e{'x' * 200}"
    account = AccountSpec(name, 2, 4, 12, (1, 1, 1), zone="Europe/Berlin", currency="EUR")
    monkeypatch.chdir(tmp_path)
    with Simulator(World(seed=5, clock=WallClock(), accounts=(account,)), token=TOKEN) as sim:
        for setting, value in {
            "META_ACCESS_TOKEN": TOKEN,
            "META_GRAPH_URL": sim.url,
            "DATABASE_URL": database_url,
            "META_BACKFILL_DAYS": "2",
            "COLUMNS": "120",
        }.items():
            monkeypatch.setenv(setting, value)
        current.cache_clear()
        account_id = sim.world.accounts()[0].id
        assert run("sync", account_id).exit_code == 0
        run("metrics", "kpi", "set", account_id, "spend", "5", "--note", name)
        _spoil(database_url)
        sim.fail("GET", "/campaigns", times=2, with_=Fault.graph_error(100, message=name))
        yield account_id
    current.cache_clear()


def _spoil(url: str) -> None:
    """Put the texts wherever the tables have text of others, in turn; an account for each."""
    at = datetime.now(UTC)
    with Warehouse(url) as warehouse:
        for n, text in enumerate(HOSTILE):
            row = {"account_id": f"act_{n + 1}", "name": text, "is_simulated": True}
            warehouse.accounts.upsert_one({**row, "currency": "EUR", "timezone_name": "UTC"}, at)
        with warehouse.connection() as connection:
            for table, column in connection.execute(_TEXTS).fetchall():
                update = sql.SQL(
                    "UPDATE meta_ads.{table} AS spoilt SET {column} = (%s::text[])[1 + n %% %s] "
                    "FROM (SELECT ctid, row_number() OVER () AS n FROM meta_ads.{table}) AS each "
                    "WHERE spoilt.ctid = each.ctid"
                ).format(table=sql.Identifier(table), column=sql.Identifier(column))
                with suppress(psycopg.Error), connection.transaction():
                    connection.execute(update, (HOSTILE, len(HOSTILE)))


def run(*given: str) -> Result:
    return CliRunner().invoke(app, given)


def told(result: Result) -> str:
    """All output, after the proof that the command ended as a command should."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    assert not _ESCAPES.search(result.output), _ESCAPES.search(result.output)
    return result.output


def test_every_command_prints_hostile_text_as_text(hostile: str, tmp_path: Path) -> None:
    file = tmp_path / "dictionary.yaml"
    file.write_text("metrics: []\n", encoding="utf-8")
    values = {
        "account_id": hostile,
        "account": hostile,
        "names": "spend",
        "name": "spend",
        "metric": "spend",
        "entity": hostile,
        "role": "[/nobody]",
        "connection": "[/nobody]",
    }
    for name, command in commands().items():
        first = name.partition(" ")[0]
        if first in UNENDING or name in ("db start", "db stop", "db reset", "db psql"):
            continue
        given = [*name.split(), *arguments(command, file=file, values=values)]
        result = run(*given)
        assert "Unexpected" not in told(result), (given, result.output)
        for option in ("--json", "--html"):
            if any(option in one.opts for one in command.params):
                more = [option] if option == "--json" else [option, str(tmp_path / "page.html")]
                told(run(*given, *more))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>" not in page


def test_typed_text_is_hostile_too(hostile: str) -> None:
    given = (
        ("metrics", "history", "{}"),
        ("metrics", "get", "{}"),
        ("metrics", "get", "spend", "-a", "{}"),
        ("metrics", "get", "spend", "--by", "{}"),
        ("metrics", "show", "{}"),
        ("metrics", "check", "{}"),
        ("metrics", "kpi", "set", "{}", "spend"),
        ("report", "-q", "{}"),
        ("status", "--fail-if-stale", "{}"),
        ("sync", "{}"),
        ("plan", hostile, "--breakdown", "{}"),
        ("plan", hostile, "--since", "{}"),
        ("{}",),
    )
    for n, text in enumerate([*HOSTILE, "\udcff\ud800"]):
        for pattern in (given * 2)[n : n + 3]:
            words = [text if word == "{}" else word for word in pattern]
            result = run(*words)
            assert "Unexpected" not in told(result), (words, result.output)
            assert result.exit_code in (0, 1, 2), (words, result.output)


def test_csv_has_no_formula(hostile: str) -> None:
    with_name = ("metrics", "get", "spend", "--by", "campaign", "-r", "last_28d", "-o", "csv")
    for given in (with_name, ("metrics", "history", hostile, "--below", "-o", "csv")):
        result = run(*given)
        told_rows = list(csv.reader(io.StringIO(result.stdout)))
        cells = [cell for row in told_rows for cell in row]
        risky = [cell for cell in cells if re.match(r"\s*[=+@]|[\t\r]", cell)]
        assert not risky, risky


@pytest.fixture
def shell(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Simulator]:
    account = AccountSpec("Shop", 2, 2, 3, (1, 1, 1), zone="Europe/Berlin", currency="EUR")
    monkeypatch.chdir(tmp_path)
    with Simulator(World(seed=5, clock=WallClock(), accounts=(account,)), token=TOKEN) as sim:
        monkeypatch.setenv("META_ACCESS_TOKEN", TOKEN)
        monkeypatch.setenv("META_GRAPH_URL", sim.url)
        monkeypatch.setenv("DATABASE_URL", database_url)
        current.cache_clear()
        yield sim
    current.cache_clear()


@pytest.mark.parametrize(("command", "edge"), [("sync", "/campaigns"), ("check", "/insights")])
def test_messages_of_meta_are_printed_whole(shell: Simulator, command: str, edge: str) -> None:
    message = "(#100) filtering[0][value][10] must be one of [red]"
    shell.fail("GET", edge, times=50, with_=Fault.graph_error(100, message=message))
    account = [shell.world.accounts()[0].id] if command == "sync" else []
    output = " ".join(told(run(command, *account)).split())
    assert "filtering[0][value][10] must be one of [red]" in output
    if command == "sync":
        assert re.search(r"\[code 100, HTTP 400, fbtrace_id \w+\]", output), output


def test_what_to_install_is_printed_with_its_brackets(
    shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meta_pipeline.metrics.plot.find_spec", lambda _: None)
    assert run("sync", shell.world.accounts()[0].id).exit_code == 0
    result = run("metrics", "plot", "-a", "Shop")
    assert "pip install 'meta-pipeline[plots]'" in result.output
