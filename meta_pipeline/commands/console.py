"""How the commands speak: one console for people, one sentence for what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import NoReturn

import typer
from rich.console import Console

from meta_pipeline.graph import GraphError
from meta_pipeline.settings import SettingsError
from meta_pipeline.warehouse import WarehouseError
from meta_pipeline.warehouse.embedded import EmbeddedPostgresError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """Say what is wrong and what to do, and end the command."""
    errors.print(f"[red]✗[/red] {sentence}", soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def explained() -> Iterator[None]:
    """Errors that a person can act upon end the command with a sentence, not with a trace."""
    try:
        yield
    except (SettingsError, WarehouseError, EmbeddedPostgresError, GraphError) as error:
        fail(str(error))


def day(text: str | None) -> date | None:
    """A day as typed on the command line."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day such as 2026-01-31") from None


def account(text: str) -> str:
    """An ad account id as typed: act_123, or just 123."""
    found = text if text.startswith("act_") else f"act_{text}"
    if not found[4:].isdigit():
        raise typer.BadParameter(f"{text!r} is not an ad account id such as act_1234567890")
    return found
