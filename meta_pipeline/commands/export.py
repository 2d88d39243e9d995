"""`meta-pipeline export`: the tables as Parquet files, for whatever reads those."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import selection
from .database import opened_warehouse
from .terminal.console import SIMULATED, add_row, console, say, styled, table, warn, write_json
from .terminal.options import Accounts, AsJson, Since, Until, days, length

if TYPE_CHECKING:
    from meta_pipeline.exports import Exported

_MIB = 1024 * 1024
PlaceArgument = Annotated[
    str,
    typer.Argument(metavar="PLACE", help="Folder, or address such as s3://bucket/lake."),
]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="Table; may be repeated. All that are exported without it."),
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", help="Only what this tenant sees; everything without.")
]
Keep = Annotated[
    str,
    typer.Option(
        "--keep",
        metavar="LENGTH",
        help="How long replaced files stay for who is reading them: 6h, 2d.",
    ),
]


def export(
    place: PlaceArgument,
    tables: Tables = None,
    account: Accounts = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    keep: Keep = "1d",
    as_json: AsJson = False,
) -> None:
    """Write the tables as Parquet files: by table, account and month, only what has changed.

    manifest.json lists the files; it is written last, and whoever reads by it sees all tables as
    they were at one moment. With --since whole months are looked at, of tables that have days. What
    has no rows any more leaves the manifest. Needs the extra: pip install 'meta-pipeline[lake]'.
    """
    # Wrong usage is told before pyarrow is imported, which takes a second.
    chosen_days, kept = days(since, until), length(keep)
    from meta_pipeline.exports import KEPT, open_place
    from meta_pipeline.exports import export as run

    # Reads only, and may take its time.
    with opened_warehouse(application_name="meta_pipeline export") as (_, warehouse):
        accounts = (
            [one.account_id for one in selection.stored(warehouse, account)] if account else None
        )
        done = run(
            warehouse.url,
            open_place(place),
            tables=tables,
            accounts=accounts,
            days=chosen_days,
            tenant=tenant,
            keep=KEPT if kept is None else kept,
        )
    if as_json:
        write_json(_facts(done))
        return
    _show(done)


def _facts(done: "Exported") -> dict[str, Any]:
    return {
        "read_at": done.read_at,
        "is_simulated": done.manifest.is_simulated,
        "files_written": [one.path for _, one in done.written],
        "rows_written": done.rows_written,
        "files_adopted": [one.path for _, one in done.adopted],
        "files_removed": list(done.removed),
        "unfit_values": done.unfit,
        "tables": {
            name: {
                "files": len(files.files),
                "rows": files.rows,
                "size_bytes": sum(one.size_bytes for one in files.files),
                "data_as_of": files.data_as_of,
            }
            for name, files in done.manifest.tables.items()
        },
    }


def _show(done: "Exported") -> None:
    if done.manifest.is_simulated:
        say(styled(SIMULATED, "yellow"))
    new = Counter(name for name, _ in done.written)
    shown = table(
        *("table", "rows", "files", "new files", "MiB", "data as of"),
        right=("rows", "files", "new files", "MiB"),
        whole=("data as of",),
    )
    for name, files in done.manifest.tables.items():
        if not (size_bytes := sum(one.size_bytes for one in files.files)):
            continue
        add_row(
            shown,
            name,
            f"{files.rows:,}",
            f"{len(files.files):,}",
            f"{new[name]:,}",
            f"{size_bytes / _MIB:,.1f}",
            f"{files.data_as_of:%Y-%m-%d %H:%M}" if files.data_as_of else "-",
        )
    console.print(shown)
    kept = f"{len(done.adopted):,} kept of an export that was stopped, " if done.adopted else ""
    say(
        f"{len(done.written):,} files written with {done.rows_written:,} rows, {kept}"
        f"{len(done.removed):,} gone; everything is as of {done.read_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    for column, count in done.unfit.items():
        warn(f"{column}: {count:,} values have no place in a Parquet type and are null there.")
