"""`meta-pipeline reset`: datasets taken out, to be read again; previewed, asked for, whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.commands.database import opened, refuse_another_version
from meta_pipeline.commands.selection import stored
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    fail,
    say,
    styled,
    table,
    warn,
    write_json,
)
from meta_pipeline.commands.terminal.options import Accounts
from meta_pipeline.commands.terminal.questions import confirmed
from meta_pipeline.printable import one_line
from meta_pipeline.sync.days import oldest
from meta_pipeline.sync.engine import SyncEngine
from meta_pipeline.sync.reset import (
    DatasetUnknown,
    Holding,
    all_targets,
    holdings,
    name_of,
    read_again,
    remove,
    stored_reports,
    target_of,
)
from meta_pipeline.warehouse import AccountBusy, AccountRow, Warehouse
from meta_pipeline.warehouse.locks import accounts_lock

if TYPE_CHECKING:
    from meta_pipeline.commands.terminal.sheet import Sheet
    from meta_pipeline.settings import Settings
    from meta_pipeline.sync import Plan

Datasets = Annotated[
    list[str] | None,
    typer.Argument(
        help="Datasets: campaigns, adsets, ads, creatives, insights_ad, insights_account, "
        "insights_hourly, breakdown:age,gender, report:brand, ...; without, all of the accounts "
        "named.",
        metavar="DATASET",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be removed and read again; no more.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON; with --dry-run or --yes.")]

_LISTED = 40
# As `sync` has it: another sync of the account runs.
_REFUSED = 5


@dataclass(frozen=True, slots=True)
class _Account:
    """One account of a reset: what is stored, what is read again of it, and its price."""

    row: AccountRow
    earliest: date
    holdings: list[Holding]
    plan: Plan | None
    price: str | None

    @property
    def named(self) -> str:
        return f"{self.row.account_id} {one_line(self.row.name or '')}".strip()

    @property
    def facts(self) -> dict[str, Any]:
        """As a document of JSON."""
        return {
            "account_id": self.row.account_id,
            "name": self.row.name,
            "calls": self.plan.calls if self.plan else 0,
            "price": self.price,
            "datasets": [
                {
                    "dataset": one.name,
                    "rows": one.rows,
                    "rows_kept": one.kept,
                    "since": one.since,
                    "until": one.until,
                    "days": one.days,
                    "is_read_again": one.is_read,
                }
                for one in self.holdings
            ],
        }


def reset(
    dataset: Datasets = None,
    account: Accounts = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take datasets out, of some accounts or of all, so that the next sync reads them again.

    Says before how many rows go, what is read again and what that costs, and asks. All goes in one
    transaction, or nothing: not while one of the accounts is synced. What Meta would not give
    again stays: days older than it keeps, deleted campaigns and ads; history and telemetry too.
    Exit code: 0 done, 1 not done, 5 an account is being synced.
    """
    if not dataset and not account:
        raise typer.BadParameter("name datasets, or --account, or both; db reset removes all data")
    if as_json and not (dry_run or yes):
        raise typer.BadParameter("--json goes with --dry-run or --yes: nobody can be asked")
    with opened(with_graph=True) as (settings, url):
        # Opening an engine would migrate, and who takes data out must not also change the schema.
        with Warehouse(url, max_connections=1) as warehouse:
            refuse_another_version(warehouse)
        with SyncEngine.open(settings, url) as engine:
            accounts = _found(engine, settings, dataset or (), account)
            if not as_json:
                _print(accounts)
            if dry_run or not any(not one.is_empty for each in accounts for one in each.holdings):
                removed = None
            else:
                nobody = "Nothing was removed: nobody answered. --yes answers for you."
                if not yes and not confirmed("Remove it?", nobody, err=True):
                    fail("Nothing was removed.")
                removed = _remove(engine, accounts)
    if as_json:
        facts = [one.facts for one in accounts]
        write_json({"is_done": removed is not None, "accounts": facts})
    elif removed is not None:
        say(f"{removed:,} rows are removed. meta-pipeline sync reads them again.")
    elif dry_run:
        say("Nothing was removed.")


def _found(
    engine: SyncEngine, settings: Settings, names: Sequence[str], wanted: Sequence[str] | None
) -> list[_Account]:
    rows = stored(engine.warehouse, wanted)
    with engine.warehouse.connection() as connection:
        try:
            reports = stored_reports(connection, engine)
            targets = [target_of(name, reports) for name in names] or all_targets(
                connection, [row.account_id for row in rows], reports
            )
        except DatasetUnknown as error:
            raise typer.BadParameter(str(error)) from None
        # Named twice it would be counted twice, in rows and in price.
        unique = list({name_of(one): one for one in targets}.values())
        held = {
            row.account_id: holdings(connection, engine, settings, row.account_id, unique)
            for row in rows
        }
    accounts = []
    for row in rows:
        if of_account := held[row.account_id]:
            plan = read_again(engine, row.account_id, of_account)
            # The first sentence is the price, the others say what it is made of.
            price = engine.estimate(plan).sentences()[0] if plan else None
            earliest = oldest(engine.today(row.account_id))
            accounts.append(_Account(row, earliest, of_account, plan, price))
    return accounts


def _remove(engine: SyncEngine, accounts: Sequence[_Account]) -> int:
    """Remove it all in one transaction, while no account of it is synced."""
    ids = [one.row.account_id for one in accounts]
    try:
        with (
            # Before the first row: a sync that began meanwhile would write into what is removed.
            accounts_lock(engine.warehouse.url, ids, holder="meta_pipeline reset") as connection,
            connection.transaction(),
        ):
            return sum(
                remove(connection, holding, one.earliest)
                for one in accounts
                for holding in one.holdings
            )
    except AccountBusy as error:
        fail(str(error), _REFUSED)


def _print(accounts: Sequence[_Account]) -> None:
    if not accounts:
        say("Nothing of it is stored.")
        return
    console.print(_table(accounts))
    lines = [(one, holding) for one in accounts for holding in one.holdings]
    if len(lines) > _LISTED:
        say(f"and {len(lines) - _LISTED:,} more")
    rows = sum(holding.rows for _, holding in lines)
    say(f"{rows:,} rows in all, and what is made of them: daily metrics, reconciliation.")
    if any(holding.kept for _, holding in lines):
        say("What stays, Meta would not give again: days it no longer keeps, deleted things.")
    for name in dict.fromkeys(holding.name for _, holding in lines if not holding.is_read):
        warn(f"{name} is switched off in the settings: no sync reads it again.")
    for one in accounts[:_LISTED]:
        if one.price:
            say(f"{one.named}: the next sync reads it again: {one.price}")
    if len(accounts) > 1:
        calls = sum(one.plan.calls for one in accounts if one.plan)
        say(f"Together: {len(accounts):,} ad accounts, {calls:,} calls.")


def _table(accounts: Sequence[_Account]) -> Sheet:
    numbers = ("rows", "days", "stay")
    shown = table("account", "dataset", *numbers, "of", right=numbers, whole=numbers)
    lines = [(one, holding) for one in accounts for holding in one.holdings]
    for one, holding in lines[:_LISTED]:
        days = f"{holding.since} … {holding.until}" if holding.since else ""
        counts = (f"{holding.rows:,}", f"{holding.days:,}" if holding.days else "")
        kept = styled(f"{holding.kept:,}", "yellow") if holding.kept else ""
        add_row(shown, one.named, holding.name, *counts, kept, days)
    return shown
