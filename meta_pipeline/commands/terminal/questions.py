"""Questions: what a person is asked in the terminal. Where nobody answers, the command ends.

A question may name what is asked about, and names are text of others: it is one printable line.
"""

import sys
from typing import Any

import typer

from meta_pipeline.credentials import cleaned_token
from meta_pipeline.printable import one_line

from .console import fail


def typed(question: str, unanswered: str, **options: Any) -> str:
    """What is typed; `unanswered` is told where the input ends instead."""
    try:
        return str(typer.prompt(one_line(question), **options))
    except typer.Abort:
        fail(unanswered)


def confirmed(question: str, unanswered: str, **options: Any) -> bool:
    """Yes or no; `unanswered` is told where the input ends instead."""
    try:
        return typer.confirm(one_line(question), **options)
    except typer.Abort:
        fail(unanswered)


def insist(question: str) -> None:
    """Go on where a person says yes; end the command where one says no, or nobody does."""
    typer.confirm(one_line(question), abort=True)


def token_in(text: str, *, empty: str, called: str = "META_ACCESS_TOKEN") -> str:
    """The access token that was typed or pasted; ends the command where there is none in it.

    `empty` says that there is nothing; of what is no token is told under the name `called`.
    """
    if not text.strip():
        fail(f"Nothing was written: {empty}.")
    try:
        return cleaned_token(text)
    except ValueError as error:
        told = str(error).replace("META_ACCESS_TOKEN", called, 1)
        fail(f"Nothing was written: {told}.")


def secret(what: str) -> str:
    """A secret from a prompt that shows nothing, or all of standard input as it is."""
    if sys.stdin.isatty():
        return str(typer.prompt(f"{what} (not shown)", hide_input=True, err=True))
    # From a pipe no prompt: it would stand in somebody's log.
    return sys.stdin.read()
