"""Profile: whose accounts and database a command works on: those of the settings or the demo's.

`--demo` is an option of every command that reads or writes a database. What it means is said here
and in `database`, so that commands do not differ in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any

import typer

HELP = "Work on the demo: its made-up ad accounts and its database."
ELSEWHERE = {
    "demo": "is the demo",
    "dev": "runs Dagster on the settings",
    "exec": "runs Dagster on the settings",
    "simulate": "needs no database",
    "doctor": "needs no database",
    "db start": "is about the server, which the demo shares",
    "db stop": "is about the server, which the demo shares",
    "db reset": "is about the server, which the demo shares",
    "rotation replay": "needs no database",
    "metrics check": "needs no database",
    "connections generate-key": "needs no database",
    "reports validate": "needs no database",
    "reports list": "needs no database",
    "reports presets": "needs no database",
    "reports show": "needs no database",
}
"""Commands without `--demo`, and why."""

# Not a parameter: every command would have to hand it through to where the database is opened.
_DEMO: ContextVar[bool] = ContextVar("demo", default=False)


def is_demo() -> bool:
    """Whether the command that runs works on the demo."""
    return _DEMO.get()


@contextmanager
def fresh() -> Iterator[None]:
    """One command line: what it chose is forgotten after it."""
    token = _DEMO.set(False)
    try:
        yield
    finally:
        _DEMO.reset(token)


def add_option(command: Any, name: str) -> None:
    """Give `--demo` to a command and to what is below it, where a database is worked on."""
    if name in ELSEWHERE:
        return
    below = getattr(command, "commands", {})
    for part, one in below.items():
        add_option(one, f"{name} {part}")

    # The option as typer makes it, taken from a command that has no other.
    def holder(
        demo: Annotated[
            bool, typer.Option("--demo", help=HELP, callback=_chosen, expose_value=False)
        ] = False,
    ) -> None:
        pass

    app = typer.Typer(add_completion=False)
    app.command()(holder)
    command.params.append(typer.main.get_command(app).params[0])


def _chosen(demo: bool) -> None:
    if demo:
        _DEMO.set(True)
