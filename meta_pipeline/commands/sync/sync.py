"""`meta-pipeline sync`: ad accounts brought up to date, without Dagster."""

import typer

from meta_pipeline.commands.selection import Accounts, EveryAccount, chosen
from meta_pipeline.commands.terminal.options import AsJson, Since, Until

from .syncs import run
from .wanted import (
    Breakdown,
    Force,
    Only,
    PresetOption,
    Report,
    Wanted,
    With,
    opened_engine,
)


def sync(
    account: Accounts = None,
    every: EveryAccount = False,
    since: Since = None,
    until: Until = None,
    preset: PresetOption = None,
    only: Only = None,
    with_: With = None,
    breakdown: Breakdown = None,
    report: Report = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Sync ad accounts into Postgres, one after the other.

    One that fails stops no other. With one ACCOUNT the JSON is its record, with several or --all
    a list of records.

    Exit code: 0 success, 1 failed, 3 throttled, 4 partial, 5 refused because another sync of
    the account runs, 130 stopped while the daily metrics were made (the sync itself had ended);
    of several accounts the gravest: failed, partial, throttled, refused.
    """
    wanted = Wanted.of(since, until, preset, only, with_, breakdown, report, force=force)
    with opened_engine() as (settings, engine):
        # Wrong usage is told before the list of accounts is asked of Meta.
        wanted.check(engine.client.version, engine.extras.reports)
        ids = chosen(engine, settings, account, every=every)
        is_one = not every and len(account or ()) == 1
        code = run(engine, wanted, ids, as_json=as_json, is_one=is_one)
    raise typer.Exit(code)
