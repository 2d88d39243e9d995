"""`meta-pipeline metrics settle` and `history`: how numbers and entities moved over time."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.commands.terminal.console import say, styled
from meta_pipeline.commands.terminal.options import Account, AsJson, Limit, Since, Until, days

from .answers import Format, formatted
from .database import opened
from .records import show_records

if TYPE_CHECKING:
    from meta_pipeline.metrics import Timeline

Output = Annotated[Format, typer.Option("--format", "-o", help="table, csv or json.")]


def settle(
    account: Account,
    level: Annotated[str, typer.Option("--level", "-l", help="account, campaign, adset or ad.")] = (
        "ad"
    ),
    tolerance_pct: Annotated[
        float, typer.Option(help="Movement that does not matter to you, percent.")
    ] = 0,
    output: Output = Format.TABLE,
    as_json: AsJson = False,
) -> None:
    """Show when a day is final: by how much days still moved at which age."""
    output = formatted(output, as_json=as_json)
    with opened() as (warehouse, metrics):
        settled = metrics.settling(warehouse, account, level=level, tolerance_pct=tolerance_pct)
    about = asdict(settled)
    rows = about.pop("ages")
    if output is Format.TABLE:
        say(f"Days of {settled.account_id} ({settled.account_name or '-'}) by age")
    shares = ("spend_moved_pct", "impressions_moved_pct", "clicks_moved_pct", "actions_moved_pct")
    counts = ("age_days", "days_read", "days_moved")
    columns = {**dict.fromkeys(counts, "count"), **dict.fromkeys(shares, "percent")}
    show_records(rows, output, columns=columns, about=about, notes=settled.notes())


def history(
    entity: Annotated[
        str, typer.Argument(help="Campaign, ad set, ad or ad account: id, or name if only one.")
    ],
    below: Annotated[
        bool, typer.Option("--below", help="Also what happened to the entities below it.")
    ] = False,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    output: Output = Format.TABLE,
    as_json: AsJson = False,
) -> None:
    """Show what happened to an entity: what changed, when, and who did it if Meta tells."""
    output = formatted(output, as_json=as_json)
    asked = days(since, until)
    with opened() as (warehouse, metrics):
        timeline = metrics.timeline(warehouse, entity, with_below=below, days=asked, limit=limit)
    about = asdict(timeline)
    rows = about.pop("happenings")
    if output is Format.TABLE:
        _say_whose(timeline)
    columns = dict.fromkeys(_shown(rows, below=below, output=output))
    for row in rows:
        moment = row["happened_at"]
        # For people without the offset: the zone is said above.
        moment = moment.replace(tzinfo=None) if output is Format.TABLE else moment
        row["happened_at"] = moment.isoformat(sep=" ", timespec="seconds")
    show_records(rows, output, columns=columns, about=about, notes=timeline.notes())


def _shown(rows: list[dict[str, Any]], *, below: bool, output: Format) -> list[str]:
    """Every column for programs; for people not those that say the same in every row."""
    every = "happened_at source entity_type entity_id entity_name what old_value new_value who"
    names = [*every.split(), "with_application"]
    if output is not Format.TABLE:
        return names
    # They are said in the line above the table.
    own = () if below else ("entity_type", "entity_id", "entity_name")
    empty = {"with_application"} if not any(row["with_application"] for row in rows) else set()
    return [name for name in names if name not in own and name not in empty]


def _say_whose(timeline: "Timeline") -> None:
    facts = [
        f"{timeline.entity_type} {timeline.entity_id} ({timeline.entity_name or '-'})",
        *([f"of {timeline.account_id}"] if timeline.entity_type != "account" else []),
        *([timeline.effective_status] if timeline.effective_status else []),
    ]
    moments = {
        "created": timeline.created_at,
        "first seen": timeline.first_seen_at,
        "deletion seen": timeline.deleted_seen_at,
    }
    times = [f"{name} {at:%Y-%m-%d}" for name, at in moments.items() if at is not None]
    say(", ".join([" ".join(facts), *times]))
    say(styled(f"times in {timeline.timezone_name}, newest first", "dim"))
