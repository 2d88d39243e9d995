"""Selection: the ad accounts a command works on, named the same way everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .terminal.console import warn

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings
    from meta_pipeline.sync import SyncEngine
    from meta_pipeline.warehouse import AccountRow, Warehouse
    from meta_pipeline.warehouse.stores.account_names import Named

    N = TypeVar("N", bound=Named)

Accounts = Annotated[
    list[str] | None,
    typer.Argument(help="Ad accounts: id (act_123 or 123) or name.", metavar="ACCOUNT"),
]
EveryAccount = Annotated[
    bool,
    typer.Option(
        "--all", help="All ad accounts the token sees, but those that the settings leave out."
    ),
]


def named(known: Sequence[N], wanted: Sequence[str]) -> list[N]:
    """The accounts that are named, each once; wrong usage when one is unknown or ambiguous."""
    from meta_pipeline.warehouse import AccountAmbiguous, AccountUnknown, find_account

    try:
        meant = [find_account(one, known) for one in wanted]
    except (AccountUnknown, AccountAmbiguous) as error:
        raise typer.BadParameter(str(error)) from None
    return list({one.account_id: one for one in meant}.values())


def picked(typed: str, shown: Sequence[N], known: Sequence[N]) -> list[N]:
    """What `1,3-5,Shop US` means: numbers of the list shown, ids and names of all that are known.

    Wrong usage when a part of it means nothing.
    """
    meant: list[N] = []
    for part in filter(None, (one.strip() for one in typed.split(","))):
        first, dash, last = part.partition("-")
        bounds = [first, last] if dash else [first]
        # Longer numbers are ids: those of Meta have more digits than a list has rows.
        numbers = [int(one) for one in bounds if one.strip().isdecimal() and len(one) < 5]
        is_number = len(numbers) == len(bounds) and all(0 < one <= len(shown) for one in numbers)
        meant += shown[numbers[0] - 1 : numbers[-1]] if is_number else named(known, [part])
    if not meant:
        raise typer.BadParameter("name at least one account, or all")
    return list({one.account_id: one for one in meant}.values())


def stored(warehouse: Warehouse, wanted: Sequence[str] | None) -> list[AccountRow]:
    """The stored accounts that are named, or every one; Meta is asked nothing."""
    known = warehouse.accounts.all()
    return named(known, wanted) if wanted else known


def chosen(
    engine: SyncEngine, settings: Settings, wanted: Sequence[str] | None, *, every: bool
) -> list[str]:
    """The ids of the accounts to sync: those named, or every one that is not left out.

    For every account, and for a name that is not stored, Meta's list of accounts is read first. An
    id that is not stored is taken as it is: Meta says what it thinks of it.
    """
    # All must be said: a forgotten name must not sync a thousand accounts.
    if bool(wanted) == every:
        raise typer.BadParameter(
            "name ad accounts, or give --all, not both"
            if every
            else "name one ad account or more by id or name, or give --all; meta-pipeline accounts "
            "list shows them"
        )
    if not wanted:
        _discover(engine)
        known = engine.warehouse.accounts.all(accessible_only=True)
        return [one.account_id for one in known if not settings.leaves_out(one.account_id)]
    return list(dict.fromkeys(_ids(engine, wanted)))


def ids_of(warehouse: Warehouse, wanted: Iterable[str]) -> list[str]:
    """The ids of accounts that are named; an id that is not stored yet is taken as it is."""
    from meta_pipeline.warehouse import AccountAmbiguous, AccountUnknown

    try:
        return _found(warehouse, wanted)
    except (AccountUnknown, AccountAmbiguous) as error:
        raise typer.BadParameter(str(error)) from None


def _ids(engine: SyncEngine, wanted: Sequence[str]) -> list[str]:
    from meta_pipeline.warehouse import AccountAmbiguous, AccountUnknown

    try:
        return _found(engine.warehouse, wanted)
    except AccountAmbiguous as error:
        raise typer.BadParameter(str(error)) from None
    except AccountUnknown:  # it may be new
        _discover(engine)
    return ids_of(engine.warehouse, wanted)


def _found(warehouse: Warehouse, wanted: Iterable[str]) -> list[str]:
    from meta_pipeline.warehouse import AccountUnknown, account_id_of, find_account

    known, ids = warehouse.accounts.all(), []
    for one in wanted:
        try:
            ids.append(find_account(one, known).account_id)
        except AccountUnknown:
            account_id = account_id_of(one)
            if account_id is None:
                raise
            ids.append(account_id)
    return ids


def _discover(engine: SyncEngine) -> None:
    """Bring the list of accounts up to date; what is stored does where Meta gives none."""
    from meta_pipeline.graph import GraphError

    try:
        engine.discover()
    except GraphError as error:
        warn(f"Meta's list of ad accounts could not be read, so the stored one is used: {error}")
