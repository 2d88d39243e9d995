"""`meta-pipeline init`: the first settings, asked for and written down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Annotated, Any

import typer

from meta_pipeline.graph import GraphError, Reauthorize
from meta_pipeline.printable import one_line
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import WarehouseError, normalized

from . import profile
from .accounts import STATUS_WORDS
from .database import opened
from .env_file import env_text, write_env
from .selection import named, picked
from .terminal.console import add_row, console, fail, say, styled, table, warn, write_json
from .terminal.questions import confirmed, token_in, typed

TokenFile = Annotated[
    str | None,
    typer.Option(
        "--token-file",
        help="File with the access token, - for standard input; else META_ACCESS_TOKEN of the "
        "environment, else it is asked for.",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="Postgres to use, or `embedded`; else DATABASE_URL of the environment, else it is "
        "asked for. A password is better kept in the environment than on a command line.",
    ),
]
AccountOption = Annotated[
    list[str] | None,
    typer.Option(
        *("--account", "-a"),
        metavar="ACCOUNT",
        help="Ad account to sync: id or name; may be repeated.",
    ),
]
EveryAccount = Annotated[
    bool, typer.Option("--all", help="Sync all ad accounts the token sees, also later ones.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file that is there; it is kept beside it.")
]
NonInteractive = Annotated[
    bool,
    typer.Option(
        "--non-interactive",
        help="Ask nothing: all accounts and the embedded Postgres, where no flag says otherwise.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print what was written as JSON, without secrets; asks nothing."),
]

# Also the size of a page: one call lists as many as are shown.
_LISTED = 200
_EMBEDDED = "embedded"
_EMPTY = "the access token is empty"


@dataclass(frozen=True, slots=True)
class _Found:
    """One ad account as Meta lists it."""

    account_id: str
    name: str | None
    currency: str | None
    status: str

    @classmethod
    def read(cls, row: dict[str, Any]) -> _Found:
        """From a row of Meta's, which may lack any of it but the id."""
        status = row.get("account_status")
        known = STATUS_WORDS.get(status) if isinstance(status, int) else None
        name, currency = row.get("name"), row.get("currency")
        return cls(
            str(row["id"]),
            name if isinstance(name, str) else None,
            currency if isinstance(currency, str) else None,
            known or "unknown",
        )

    @property
    def typed(self) -> str:
        """How to name it on a command line: by its name where no shell makes more of it."""
        name = one_line(self.name or "")
        is_plain = name and all(one.isalnum() or one in " .-_" for one in name)
        return f'"{name}"' if is_plain else self.account_id


@dataclass(frozen=True, slots=True)
class _Answers:
    """Flags of the command, and what a person answers where they leave something open."""

    token_file: str | None
    database_url: str | None
    accounts: Sequence[str]
    every: bool
    overwrite: bool
    may_ask: bool

    def may_replace(self, output: Path) -> bool:
        """Whether there is a file to replace; ends the command when it must not be."""
        if not output.exists():
            return False
        if not self.overwrite:
            if not self.may_ask:
                fail(f"{output} is there already: nothing was written. --overwrite replaces it.")
            unanswered = "Nothing was written: nobody answered. --overwrite answers for you."
            if not confirmed(f"{output} is there already. Replace it?", unanswered):
                fail("Nothing was written.")
        return True

    @contextmanager
    def settings(self) -> Iterator[tuple[Settings, str | None]]:
        """The settings that hold without a .env, or the demo's with its database."""
        if profile.is_demo():
            with opened(with_graph=True) as (settings, url):
                warn("The token and the database are the demo's: they hold as long as it runs.")
                yield settings, None if self.database_url else url
            return
        # Without the .env that is there: it is what is to be replaced.
        yield Settings.load(env_file=None), None

    def token(self, settings: Settings) -> tuple[str, list[_Found]]:
        """The token that Meta takes, and the accounts it sees."""
        if self.token_file is not None:
            path = Path(self.token_file)
            # Windows' editors put a mark before the first character: no part of the token.
            text = sys.stdin.read() if path == Path("-") else path.read_text(encoding="utf-8-sig")
            given: str | None = token_in(text, empty=_EMPTY)
        else:
            given = settings.access_token.get_secret_value() if settings.access_token else None
        while True:
            if not given and not self.may_ask:
                fail("There is no access token: set META_ACCESS_TOKEN, or give --token-file FILE.")
            question = "Meta access token (not shown)"
            token = given or token_in(_ask(question, "--token-file", hide_input=True), empty=_EMPTY)
            try:
                return token, _accounts(settings, token)
            except GraphError as error:
                told = f"{error.message} {error.next_step or ''}".strip()
                # Only a typed token can be typed again, and only where it is what is wrong.
                if given or not self.may_ask or not isinstance(error, Reauthorize):
                    fail(f"Nothing was written: {told}")
                warn(told)

    def chosen(self, accounts: Sequence[_Found]) -> list[_Found] | None:
        """The accounts to sync; None for all, also those that come later."""
        if self.accounts:
            return named(list(accounts), self.accounts)
        # All is what leaves nothing out: no setting then names accounts, and later ones come too.
        if self.every or not self.may_ask:
            return None
        shown = table("", "Name", "Account", "Currency", "Status", right=[""], whole=["Account"])
        for number, one in enumerate(accounts[:_LISTED], start=1):
            add_row(
                shown, str(number), one.name or "-", one.account_id, one.currency or "-", one.status
            )
        console.print(shown)
        if len(accounts) > _LISTED:
            say(f"and {len(accounts) - _LISTED:,} more, to be named by id or name")
        while True:
            question = "Which to sync: all, or numbers, ids, names with commas"
            answer = _ask(question, "--account", default="all")
            if answer.strip().casefold() == "all":
                return None
            try:
                return picked(answer, accounts, accounts)
            except typer.BadParameter as error:
                warn(str(error))

    def database(self, settings: Settings) -> str | None:
        """The Postgres to use; None for the embedded one."""
        given = self.database_url
        if given is None and settings.database_url is not None:
            given = settings.database_url.get_secret_value()
        if given is None and self.may_ask:
            question = "DATABASE_URL of a Postgres, or embedded for one on this machine"
            given = _ask(question, "--database-url", default=_EMBEDDED)
        if given is None or given.strip() in ("", _EMBEDDED):
            return None
        try:
            # Read, not tried: the database may be one that is only to be started.
            normalized(given)
        except WarehouseError as error:
            fail(f"Nothing was written: {error}")
        return given


def init(
    token_file: TokenFile = None,
    database_url: DatabaseUrl = None,
    account: AccountOption = None,
    every: EveryAccount = False,
    output: Output = Path(".env"),
    overwrite: Overwrite = False,
    non_interactive: NonInteractive = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented .env: asks for the token, lists the ad accounts by name, lets you choose.

    The token is tried at Meta before anything is written. The file is for its owner alone (mode
    0600); one that is there is never replaced unasked. Each question has a flag.
    With --demo the token and the database are the demo's, and hold as long as it runs.
    """
    if account and every:
        raise typer.BadParameter("give --account or --all, not both")
    may_ask = not (non_interactive or as_json)
    answers = _Answers(token_file, database_url, account or (), every, overwrite, may_ask)
    replaces = answers.may_replace(output)
    with answers.settings() as (settings, url):
        token, accounts = answers.token(settings)
        chosen = answers.chosen(accounts)
        database = url or answers.database(settings)
    values = {"META_ACCESS_TOKEN": token}
    notes: dict[str, list[str]] = {}
    if database:
        values["DATABASE_URL"] = database
    if chosen is not None:
        values["META_INCLUDE_ACCOUNTS"] = ",".join(one.account_id for one in chosen)
        # Ids alone would tell nobody which accounts those are.
        notes["META_INCLUDE_ACCOUNTS"] = [f"{one.account_id} {one.name or '-'}" for one in chosen]
    if settings.is_simulated:
        values["META_GRAPH_URL"] = settings.graph_url
        notes["META_GRAPH_URL"] = ["This one is not Meta's: what it says counts as simulated."]
    text = env_text(values, notes)
    try:
        kept = write_env(output, text, replaces=replaces)
    except FileExistsError:
        fail(f"{output} appeared meanwhile: nothing was written. --overwrite replaces it.")
    _tell(output, kept, accounts if chosen is None else chosen, values, as_json=as_json)


def _accounts(settings: Settings, token: str) -> list[_Found]:
    # Not at the top: it brings the ciphers, and this module is imported by every command.
    from meta_pipeline.connections import Access

    with Access(settings).client(token, app_id=settings.app_id) as client:
        pages = client.pages(
            "me/adaccounts",
            {"fields": "id,name,currency,account_status"},
            account_id=None,
            endpoint_key="ad_accounts_list",
            page_size=_LISTED,
        )
        accounts = [_Found.read(row) for page in pages for row in page.rows if "id" in row]
    if not accounts:
        fail(
            "Nothing was written: the token sees no ad account. Give its user a role on one in "
            "Meta's business settings; docs/tokens.md shows where."
        )
    return sorted(accounts, key=lambda one: ((one.name or "").casefold(), one.account_id))


def _ask(question: str, flag: str, **options: Any) -> str:
    unanswered = f"Nothing was written: nobody answered. {flag} answers for you."
    return typed(question, unanswered, **options)


def _tell(
    output: Path,
    kept: Path | None,
    accounts: Sequence[_Found],
    values: dict[str, str],
    *,
    as_json: bool,
) -> None:
    is_all = "META_INCLUDE_ACCOUNTS" not in values
    if as_json:
        write_json(
            {
                "file": str(output),
                "kept": str(kept) if kept else None,
                "settings": sorted(values),
                "is_all_accounts": is_all,
                "accounts": [{"account_id": one.account_id, "name": one.name} for one in accounts],
            }
        )
    else:
        which_ones = "all" if is_all else "only these"
        say(
            styled("✓", "green"),
            f" {output} is written ({len(accounts)} ad accounts, {which_ones}).",
        )
        if kept:
            say(f"  The file there was is {kept}.")
        say(
            "Next: meta-pipeline check, then meta-pipeline plan --all and meta-pipeline sync --all."
        )
        say(f"      One account by name: meta-pipeline sync {accounts[0].typed}")
    for written in filter(None, (output, kept)):
        _warn_of_git(written)


def _warn_of_git(output: Path) -> None:
    """Say so when git would take the file, secrets and all."""
    git = which("git")
    if git is None:
        return
    done = subprocess.run(
        [git, "check-ignore", "-q", "--", output.name],
        cwd=output.absolute().parent,
        capture_output=True,
        check=False,
    )
    # 1 is "not ignored"; 128 is "no repository", where nothing can be committed.
    if done.returncode == 1:
        warn(f"git does not ignore {output}, which holds secrets: add it to .gitignore.")
