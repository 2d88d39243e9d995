"""`meta-pipeline rotation`: who is next and why, and what a policy would cost."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from meta_pipeline.fleet import Policy
from meta_pipeline.fleet.replay.allowances import AccessTier
from meta_pipeline.printable import one_line

from .terminal.console import add_row, console, say, say_more, styled, table, warn, write_json
from .terminal.options import AsJson, Limit

if TYPE_CHECKING:
    from meta_pipeline.fleet.in_flight import InFlight
    from meta_pipeline.fleet.replay.replay import Ages, Replayed
    from meta_pipeline.fleet.tick import Tick
    from meta_pipeline.settings import Settings
    from meta_pipeline.warehouse import Warehouse

    from .terminal.sheet import Sheet

app = typer.Typer(
    add_completion=False,
    name="rotation",
    no_args_is_help=True,
    help="Which account is synced next: by which policy, why, and at what cost.",
)
# Beside those that are next; a fleet has a thousand.
_SHOWN_SKIPPED = 20


@app.command()
def replay(
    days: Annotated[
        int, typer.Option(min=1, help="Days that are counted, after one to warm up.")
    ] = 7,
    accounts: Annotated[int, typer.Option(min=1, help="Accounts in the generated fleet.")] = 200,
    policy: Annotated[
        list[Policy] | None, typer.Option(help="Policy to run; all of them when not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet and result.")] = 1,
    tick_seconds: Annotated[int, typer.Option(min=1, help="Time between two looks.")] = 120,
    slots: Annotated[int, typer.Option(min=1, help="Runs at once.")] = 3,
    accounts_per_run: Annotated[
        int, typer.Option(min=1, help="Accounts a run takes at most.")
    ] = 25,
    insights_minutes: Annotated[
        int, typer.Option(min=1, help="How often rotation reads the numbers.")
    ] = 60,
    entities_minutes: Annotated[
        int, typer.Option(min=1, help="How often any policy reads the structure at most.")
    ] = 240,
    access_tier: Annotated[
        AccessTier, typer.Option(help="What Meta grants the app.")
    ] = AccessTier.FULL,
    app_calls_per_hour: Annotated[
        float | None, typer.Option(min=1, help="Calls an hour of the app as a whole, if limited.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run policies on simulated time and compare calls, staleness and throttles.

    The accounts are generated: a few spend nearly everything, many next to nothing, some pause,
    some are new. Calls per sync are those measured on the engine; no network, no database.
    """
    from meta_pipeline.fleet import RotationRules
    from meta_pipeline.fleet.replay.accounts import make_fleet
    from meta_pipeline.fleet.replay.replay import START, WARM_UP_DAYS, Conditions
    from meta_pipeline.fleet.replay.replay import replay as run

    conditions = Conditions(
        days=days,
        tick=timedelta(seconds=tick_seconds),
        slots=slots,
        access_tier=access_tier,
        app_calls_per_hour=app_calls_per_hour,
        seed=seed,
    )
    rules = RotationRules(
        insights_every=timedelta(minutes=insights_minutes),
        entities_every=timedelta(minutes=entities_minutes),
        accounts_per_run=accounts_per_run,
    )
    fleet = make_fleet(accounts, days + WARM_UP_DAYS, START, seed)
    results = [run(each, fleet, conditions, rules) for each in policy or list(Policy)]
    if as_json:
        write_json([asdict(each) for each in results])
        return
    console.print(_comparison(results, days))
    for sentence in _savings(results):
        say(sentence)


@app.command("next")
def next_command(
    policy: Annotated[
        Policy | None, typer.Option(help="Policy to ask; META_ROTATION_POLICY when not given.")
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option(
            min=1, help="Runs that are free; when not given META_MAX_SYNCS less those under way."
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(
            help="Account id the round of rotation goes on after; the sensor's if not given."
        ),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Say of every account why it is not next.")
    ] = False,
    limit: Limit = _SHOWN_SKIPPED,
    as_json: AsJson = False,
) -> None:
    """Show who would be synced now and why, and why the others not. Changes nothing."""
    from meta_pipeline.fleet.rotation import Rotation
    from meta_pipeline.fleet.skip_reason import skip_reason
    from meta_pipeline.fleet.tick import look

    from .database import opened_warehouse

    with opened_warehouse() as (settings, warehouse):
        rotation = Rotation.of(settings)
        if policy is not None:
            rotation = replace(rotation, policy=policy)
        # What the sensor knows: without it this would name an account that is being synced.
        busy, sensors_cursor = _under_way(settings, warehouse)
        free = max(0, rotation.slots - busy.runs)
        now = datetime.now(UTC)
        tick = look(
            warehouse,
            now,
            rotation,
            slots=free if slots is None else slots,
            cursor=cursor or sensors_cursor,
            requested=busy.accounts,
            settings=settings,
        )
        nobody = skip_reason(tick, busy.runs, now, warehouse.accounts)
        names = {row.account_id: row.name for row in warehouse.accounts.all()}
    if as_json:
        runs = [[asdict(pick) for pick in run.picks] for run in tick.runs]
        reason = tick.summary if tick.runs else nobody
        write_json({"reason": reason, "runs": runs, "skipped": dict(tick.skipped)})
    else:
        _show_next(tick, nobody, None if show_all else limit, names)


def _under_way(settings: "Settings", warehouse: "Warehouse") -> "tuple[InFlight, str | None]":
    """What Dagster has asked for already, and where its sensor's round goes on."""
    import psycopg

    from meta_pipeline.fleet.in_flight import UNFINISHED, InFlight
    from meta_pipeline.warehouse import WarehouseError
    from meta_pipeline.warehouse.connect import READER, connect
    from meta_pipeline.warehouse.stores import dagster_runs

    given = settings.dagster_database_url
    url = warehouse.url if given is None else given.get_secret_value()
    try:
        with connect(url, application_name="meta_pipeline", patience=READER) as connection:
            # From its tables, not from Dagster: importing that takes longer than everything else
            # here.
            if not dagster_runs.dagster_ran(connection):
                return InFlight(), None
            runs = dagster_runs.unfinished_runs(connection, UNFINISHED)
            busy = InFlight.of(runs, lambda: dagster_runs.partition_keys(connection, "ad_account"))
            return busy, dagster_runs.sensor_cursor(connection, "next_stale_account")
    except (psycopg.Error, WarehouseError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        # A guess is better than none here: nothing is started by it.
        warn(f"Dagster's runs cannot be read, so none is taken to be under way: {reason}.")
        return InFlight(), None


def _show_next(
    tick: "Tick", nobody: str, limit: int | None, names: Mapping[str, str | None]
) -> None:
    shown = table("run", "name", "account", "parts", "why", whole=["run", "account"])
    for number, run in enumerate(tick.runs, start=1):
        for pick in run.picks:
            parts = ", ".join(sorted(pick.parts))
            name = names.get(pick.account_id) or "-"
            add_row(shown, str(number), name, pick.account_id, parts, pick.why)
    if tick.runs:
        console.print(shown)
    say(tick.summary if tick.runs else nobody)
    skipped = sorted(tick.skipped.items())
    told = skipped[:limit]
    for account_id, reason in told:
        name = one_line(names.get(account_id) or "")
        say(f"  {f'{name} {account_id}'.strip()}  {reason}")
    say_more(len(skipped) - len(told), "--all shows them", indent="  ")


def _comparison(results: "list[Replayed]", days: int) -> "Sheet":
    from meta_pipeline.fleet import Tier

    policies = [str(each.policy) for each in results]
    sheet = table("", *policies, right=policies, whole=[""])
    for name, values in _totals(results, days):
        add_row(sheet, name, *values)
    add_row(sheet, "")
    add_row(sheet, styled("age of the numbers, p50 / p95 / max", "bold"))
    for tier in Tier:
        ages = [each.ages[tier] for each in results]
        label = f"{tier}: {results[0].accounts[tier]} accounts"
        add_row(sheet, label, *[_ages(each) for each in ages])
    waits = [_ages(each.first_sync_minutes) for each in results]
    add_row(sheet, "new: until the first sync", *waits)
    waits = [_ages(each.history_minutes) for each in results]
    add_row(sheet, "new: until all days are in", *waits)
    return sheet


def _totals(results: "list[Replayed]", days: int) -> "list[tuple[str, list[str]]]":
    def row(name: str, values: list[float]) -> tuple[str, list[str]]:
        return name, [f"{value:,.0f}" for value in values]

    return [
        row(f"calls in {days} days", [each.calls for each in results]),
        row("calls a day", [each.calls / days for each in results]),
        row("calls in the busiest hour", [each.busiest_hour_calls for each in results]),
        row("syncs", [each.syncs for each in results]),
        row("runs", [each.runs for each in results]),
        row("failed", [each.failures for each in results]),
        row("throttled", [each.throttled for each in results]),
    ]


def _ages(ages: "Ages") -> str:
    quantiles = (ages.percentile(0.5), ages.percentile(0.95), ages.longest)
    return " / ".join(
        "-" if minutes is None else f"{minutes}m" if minutes < 120 else f"{minutes / 60:.1f}h"
        for minutes in quantiles
    )


def _savings(results: "list[Replayed]") -> list[str]:
    """What each policy needs against rotation: the claim to check is 60 % fewer."""
    # Rotation reads everything as often as it is told to: what others save is saved against that.
    base = next((each for each in results if each.policy is Policy.ROTATION), None)
    if base is None or not base.calls:
        return []
    return [
        f"{each.policy} needs {abs(saved):.0f} % {'fewer' if saved >= 0 else 'more'} calls "
        "than rotation"
        for each in results
        if each is not base
        for saved in [100 * (1 - each.calls / base.calls)]
    ]
