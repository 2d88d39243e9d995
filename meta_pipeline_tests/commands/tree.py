"""Every command of `meta-pipeline`, found in the command line itself, with arguments to call it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from _pytest.mark import ParameterSet

from meta_pipeline.cli import app

UNENDING = ("demo", "dev", "exec", "exporter", "mcp", "migrate", "simulate", "web")
"""Commands that run until Ctrl-C or start processes of Dagster's."""

_SAMPLES = {
    "advice": "1",
    "dataset": "insights_ad",
    "field": "spend",
    "key": "mp_none",
    "question": "spend last week",
    "reason": "seen",
    "request": "1",
    "tenant": "nobody",
}
"""What may be given where a test has no value of its own."""


SHARES = 4
"""How many cases of a product with all commands meet each of them once in the quick suite."""


def shares(cases: Iterable[str]) -> list[ParameterSet]:
    """`(case, part)`: quick, a fourth of all commands for each case, so that four cases have them
    all; slow, every case with every command. `part` is a slice of the list of commands.
    """
    named = list(cases)
    quick = [
        pytest.param(case, slice(place % SHARES, None, SHARES), id=f"{case}-a share")
        for place, case in enumerate(named)
    ]
    return [
        *quick,
        *(
            pytest.param(case, slice(None), id=f"{case}-all", marks=pytest.mark.slow)
            for case in named
        ),
    ]


def commands() -> dict[str, Any]:
    """Every command that does something, by its full name."""
    root: Any = typer.main.get_command(app)
    return dict(_below(root, ""))


def _below(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    parts = getattr(command, "commands", None)
    if parts is None:
        yield name.strip(), command
        return
    if command.invoke_without_command:
        yield name.strip(), command
    for part in parts:
        yield from _below(parts[part], f"{name} {part}")


def arguments(command: Any, *, file: Path, values: dict[str, str]) -> list[str]:
    """What a command needs to be called: a value for each required argument and option."""
    found: list[str] = []
    if any("--accounts" in one.opts for one in command.params):  # a replay of a whole fleet
        found += ["--days", "1", "--accounts", "3", "--policy", "rotation"]
    if command.name == "subscribe":  # accounts and address are always said
        found += ["--all", "--url", "https://ads.example.com"]
    for given in command.params:
        is_whom = given.name in ("account", "dataset") and given.param_type_name == "argument"
        if not (given.required or is_whom):
            continue
        files = {"file": str(file), "place": str(file.with_suffix(".lake"))}
        value = (_SAMPLES | files | values).get(given.name)
        assert value is not None, f"say in the test what {given.name} of a command may be"
        found += [value] if given.param_type_name == "argument" else [given.opts[0], value]
    return found
