"""One grammar of options: every command is walked and held to it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from meta_pipeline.cli import app
from meta_pipeline.commands.terminal import options
from meta_pipeline.commands.terminal.options import days, length
from meta_pipeline_tests.commands.tree import commands

COMMANDS = commands()
DOING = {
    "demo": "runs until Ctrl-C",
    "dev": "runs until Ctrl-C",
    "exec": "becomes another program",
    "exporter": "serves until Ctrl-C",
    "web": "serves until Ctrl-C",
    "simulate": "serves until Ctrl-C",
    "simulate coverage": "prints one table of names",
    "mcp": "serves until Ctrl-C",
    "migrate": "changes the tables",
    "db url": "prints a URL, for scripts",
    "db psql": "is psql",
    "db start": "starts a server",
    "db stop": "stops a server",
    "db reset": "removes a server",
    "db maintain": "removes rows",
    "db grant-reader": "grants rights",
    "advice dismiss": "says no to one",
    "requests cancel": "takes one back",
    "api-keys revoke": "ends a key",
    "connections remove": "removes a connection",
    "connections generate-key": "prints a key, for scripts",
    "connections rotate-keys": "seals tokens again",
    "tenants add": "adds a tenant",
    "tenants remove": "removes a tenant",
    "tenants grant": "grants accounts",
    "tenants revoke": "takes accounts",
    "tenants sql-role": "makes a login, whose password is shown once",
    "tenants enforce": "makes policies",
    "metrics plot": "writes a picture",
    "metrics load": "writes the dictionary",
    "metrics check": "is a yes or a sentence",
    "metrics rollup": "writes tables",
    "metrics rates": "writes rates",
    "metrics kpi set": "writes a target",
    "metrics kpi remove": "removes a target",
    "views fivetran": "makes views",
    "views dbt-sources": "writes a file",
    "reports drop": "drops a table",
}
"""Commands without `--json`, and why: they do something and show nothing."""


def names(command: Any) -> set[str]:
    return {name for given in command.params for name in (*given.opts, *given.secondary_opts)}


def option(command: Any, name: str) -> Any:
    return next((one for one in command.params if name in one.opts), None)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_shown_is_had_as_json(name: str) -> None:
    has_json = "--json" in names(COMMANDS[name])
    assert has_json != (name in DOING), name


@pytest.mark.parametrize("name", COMMANDS)
def test_days_are_asked_in_one_way(name: str) -> None:
    """Whoever takes a first day takes a last one and a preset, under the same names."""
    command = COMMANDS[name]
    found = names(command)
    assert not found & {"--from", "--to", "--start", "--end", "--start-date", "--end-date"}
    assert ("--since" in found) == ("--until" in found)
    if "--preset" in found:
        assert {"-p", "--range", "-r"} <= found
    for which in ("--since", "--until"):
        if (given := option(command, which)) is not None:
            assert given.metavar == "DAY"


@pytest.mark.parametrize("name", COMMANDS)
def test_an_account_is_asked_in_one_way(name: str) -> None:
    command = COMMANDS[name]
    for given in command.params:
        if given.param_type_name == "argument" and given.name.startswith("account"):
            assert given.metavar in ("ACCOUNT", "ACCOUNT...", "[ACCOUNT]..."), name
            assert "id or name" in given.help or "or name" in given.help, name
    if (given := option(command, "--account")) is not None:
        assert "-a" in given.opts
        assert given.metavar == "ACCOUNT"
        assert "id or name" in given.help


@pytest.mark.parametrize("name", COMMANDS)
def test_one_letter_means_one_thing(name: str) -> None:
    known = {
        "-a": "--account", "-b": "--by", "-f": "--filter", "-h": "--help", "-l": "--level",
        "-n": "--limit", "-p": "--preset", "-q": "--question", "-r": "--range", "-w": "--watch",
        "-y": "--yes",
    }  # fmt: skip
    for given in COMMANDS[name].params:
        for short in (one for one in given.opts if re.fullmatch("-[a-z]", one)):
            meant = {known.get(short), *(("--output", "--format") if short == "-o" else ())}
            assert meant & set(given.opts), (name, short)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_no_type_of_python_and_fits(name: str) -> None:
    """`--help` is read: flags take nothing, and each option says what it is for."""
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0
    assert not re.search(r"<[a-z]+[\[>]|\bBOOLEAN\b|Traceback", shown.output)
    assert [line for line in shown.output.splitlines() if len(line) > 80] == []
    for given in COMMANDS[name].params:
        assert getattr(given, "help", None), (name, given.name)
        unit = re.search(r"(seconds|minutes|hours|days)$", given.name or "")
        if unit is None and "--watch" not in given.opts:
            continue
        assert unit or given.metavar == "EVERY", "a length of time has its unit, or names it"


def test_what_a_command_below_does_is_not_cut() -> None:
    groups = {name.rpartition(" ")[0] for name in COMMANDS} - {""}
    for group in sorted(groups):
        shown = CliRunner().invoke(app, [*group.split(), "--help"], env={"COLUMNS": "80"})
        assert "..." not in shown.output.partition("Commands:")[2], group


@pytest.mark.parametrize(
    ("since", "until", "preset"),
    [("2026-01-02", "2026-01-01", None), (None, "2026-01-01", None), ("x", None, None),
     ("2026-02-30", "2026-03-01", None), ("2026-01-01", None, "last_7d"),
     ("01.02.2026", None, None)],
)  # fmt: skip
def test_days_that_are_none(since: str | None, until: str | None, preset: str | None) -> None:
    with pytest.raises(typer.BadParameter):
        days(since, until, preset)


def test_days_without_an_end_end_today() -> None:
    first, last = days("2026-01-01", None) or (None, None)
    assert first is not None
    assert last is not None
    assert first < last
    assert days(None, None) is None
    assert days("2026-01-01", "2026-01-01") == (first, first)


@pytest.mark.parametrize("text", ["30s", "90m", "1.5h", "2d", " 6H "])
def test_lengths_of_time(text: str) -> None:
    found = length(text)
    assert found is not None
    assert found.total_seconds() > 0


@pytest.mark.parametrize("text", ["", "6", "0s", "-1h", "six hours", "1e999d", "99999999999999d"])
def test_lengths_that_are_none(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a length of time such as"):
        length(text)


def test_the_grammar_is_written_down_once() -> None:
    assert "--since DAY --until DAY" in str(options.__doc__)
