"""Reset: datasets of an account taken out, so that the next sync reads them again.

What Meta would not give again stays: days older than it keeps, and things that were deleted.
History (`entity_changes`, `insights_changes`), telemetry and settings of people are not touched.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import sqlalchemy as sa
from psycopg import sql
from pydantic import ValidationError

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.model.level import LEVELS
from meta_pipeline.model.part import ENTITIES, Part
from meta_pipeline.settings import Settings, breakdown_names
from meta_pipeline.warehouse import Connection, schema

from .days import oldest
from .engine import SyncEngine
from .plan.plan import Plan
from .request import SyncRequest
from .rows import datasets
from .rows.datasets import Dataset
from .rows.fields import ENTITY_SPECS, EntitySpec

_BREAKDOWN = "breakdown:"
_DAILY = {one.name: one for one in map(datasets.daily, LEVELS)}
_WHOLE = {**_DAILY, datasets.hourly().name: datasets.hourly()}
NAMES = (*(str(part) for part in ENTITY_SPECS), *_WHOLE)
"""Datasets that can be reset, besides breakdowns (breakdown:age,gender) and custom reports
(report:brand)."""
_MADE_OF_ADS = (
    schema.ad_rollups,
    schema.adset_rollups,
    schema.campaign_rollups,
    schema.metric_rollups,
)
# They are kept as ranges: cut where the days that go begin, and gone where nothing is left.
_TAKE_OUT_GOAL_DAYS = (
    """
    UPDATE meta_ads.adset_goal_days SET days = days - datemultirange(daterange(%(oldest)s, NULL))
    WHERE account_id = %(account_id)s AND days && daterange(%(oldest)s, NULL)
    """,
    "DELETE FROM meta_ads.adset_goal_days WHERE account_id = %(account_id)s AND isempty(days)",
)
_DAYS = """
    SELECT min(date_start), max(date_start), count(*) FROM meta_ads.sync_windows
    WHERE account_id = %(account_id)s AND dataset = %(dataset)s AND date_start >= %(oldest)s
"""
_STORED_BREAKDOWNS = """
    SELECT DISTINCT dataset FROM meta_ads.sync_windows
    WHERE account_id = ANY (%s) AND starts_with(dataset, 'breakdown:') ORDER BY dataset
"""
# What is read again begins where it did, however small META_BACKFILL_DAYS is by now.
_KEEP_FIRST_DAY = """
    INSERT INTO meta_ads.sync_cursor AS known (account_id, edge, first_day)
    VALUES (%(account_id)s, %(dataset)s, %(since)s)
    ON CONFLICT (account_id, edge) DO UPDATE SET
        first_day = least(known.first_day, excluded.first_day)
"""


class DatasetUnknown(Exception):
    """No dataset is called that; the message has those there are."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What is stored of one dataset of one account."""

    account_id: str
    target: EntitySpec | Dataset
    rows: int
    """Those that would be removed."""
    kept: int
    """Those that stay: Meta would not give them again."""
    since: date | None
    """First and last of the days that were read; None for what has no days."""
    until: date | None
    days: int
    """How many of them were read, of those that Meta still keeps."""
    is_read: bool
    """Whether the settings have it read."""

    @classmethod
    def of_insights(
        cls, connection: Connection, dataset: Dataset, account_id: str, first: date
    ) -> Holding:
        """Count rows and days of insights; `first` is the oldest day that Meta still keeps."""
        scope = dataset.scope(account_id)
        values = scope.parameters | {"dataset": dataset.name, "oldest": first}
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE kept.date_start >= %(oldest)s), "
            "count(*) FILTER (WHERE kept.date_start < %(oldest)s) "
            f"FROM {scope.table.schema}.{scope.table.name} AS kept WHERE {scope.condition}",
            values,
        ).fetchone()
        days = connection.execute(_DAYS, values).fetchone()
        rows, kept = row if row else (0, 0)
        since, until, count = days if days else (None, None, 0)
        return cls(account_id, dataset, int(rows), int(kept), since, until, int(count), True)

    @classmethod
    def of_entities(cls, connection: Connection, spec: EntitySpec, account_id: str) -> Holding:
        """Count the objects of an edge; those that are marked as deleted stay."""
        table = sql.Identifier(str(spec.table.schema), spec.table.name)
        row = connection.execute(
            sql.SQL(
                "SELECT count(*) FILTER (WHERE NOT is_deleted), count(*) FILTER (WHERE is_deleted) "
                "FROM {} WHERE account_id = %s"
            ).format(table),
            (account_id,),
        ).fetchone()
        rows, kept = row if row else (0, 0)
        return cls(account_id, spec, int(rows), int(kept), None, None, 0, True)

    @property
    def name(self) -> str:
        """The name of the dataset."""
        return name_of(self.target)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove and nothing to forget."""
        return not self.rows and not self.days


def name_of(target: EntitySpec | Dataset) -> str:
    """What a dataset is called on the command line and in `sync_windows`."""
    return target.name if isinstance(target, Dataset) else str(target.part)


def stored_reports(connection: Connection, engine: SyncEngine) -> dict[str, CustomReport]:
    """Custom reports that have a table, by name: as the file describes them, or as it last did.

    One that is gone from the file, and has fields that the installed SDK knows no more, is none of
    them: `reports drop` takes its table out.
    """
    described = {one.name: one for one in engine.extras.reports}
    found = {}
    for name, known in engine.warehouse.report_tables.known(connection).items():
        once = {key: value for key, value in known.definition.items() if key != "view"}
        try:
            found[name] = described.get(name) or CustomReport.model_validate(once)
        except ValidationError:
            continue
    return found


def target_of(name: str, reports: Mapping[str, CustomReport]) -> EntitySpec | Dataset:
    """The dataset of that name; `reports` are those that have a table, by name.

    DatasetUnknown says which there are.
    """
    if name in _WHOLE:
        return _WHOLE[name]
    if name.startswith(_BREAKDOWN):
        try:
            return datasets.broken_down(breakdown_names(name.removeprefix(_BREAKDOWN)))
        except ValueError as error:
            raise DatasetUnknown(f"{name!r} {error}") from None
    if name.startswith(datasets.REPORT):
        if report := reports.get(name.removeprefix(datasets.REPORT)):
            return datasets.custom(report)
        known = ", ".join(f"{datasets.REPORT}{one}" for one in reports) or "none"
        raise DatasetUnknown(
            f"There is no custom report with a table for {name!r}. Known: {known}."
        )
    for part, spec in ENTITY_SPECS.items():
        if name in (str(part), spec.edge):
            return spec
    if name == str(Part.ACTIVITIES):
        raise DatasetUnknown("activities is a log of what people did: nothing of it is removed.")
    if name == str(Part.RECOMMENDATIONS):
        raise DatasetUnknown(
            "recommendations are what Meta said and when: nothing of it is removed. Read them "
            "again: meta-pipeline sync --only recommendations --force."
        )
    near = difflib.get_close_matches(name, NAMES, n=3)
    offer = f"Did you mean {' or '.join(near)}? " if near else ""
    raise DatasetUnknown(
        f"There is no dataset {name!r}. {offer}Known: {', '.join(NAMES)}, breakdowns such as "
        f"{_BREAKDOWN}age,gender, and custom reports such as {datasets.REPORT}brand."
    )


def all_targets(
    connection: Connection, accounts: Sequence[str], reports: Mapping[str, CustomReport]
) -> list[EntitySpec | Dataset]:
    """Every dataset that these accounts may have stored."""
    stored = [row[0] for row in connection.execute(_STORED_BREAKDOWNS, (list(accounts),))]
    own = (f"{datasets.REPORT}{name}" for name in reports)
    return [target_of(name, reports) for name in (*NAMES, *stored, *own)]


def holdings(
    connection: Connection,
    engine: SyncEngine,
    settings: Settings,
    account_id: str,
    targets: Iterable[EntitySpec | Dataset],
) -> list[Holding]:
    """What is stored of these datasets; those of which nothing is are left out."""
    first = oldest(engine.today(account_id))
    held = [
        Holding.of_insights(connection, one, account_id, first)
        if isinstance(one, Dataset)
        else Holding.of_entities(connection, one, account_id)
        for one in targets
    ]
    return [
        replace(one, is_read=_is_read(one.target, engine, settings, account_id))
        for one in held
        if not one.is_empty or one.kept
    ]


def read_again(engine: SyncEngine, account_id: str, removed: Sequence[Holding]) -> Plan | None:
    """What the next sync reads again of it, sized by what is stored; None where nothing is on."""
    on = [one for one in removed if one.is_read and not one.is_empty]
    if not on:
        return None
    names = {one.name for one in on}
    parts = {one.target.part for one in on}
    if Part.INSIGHTS in parts:  # rows and their proof are read together
        names.add(_DAILY["insights_account"].name)
    days = [one.since for one in on if one.since is not None]
    plan = engine.plan(
        SyncRequest(
            account_id=account_id,
            parts=frozenset(parts),
            since=min(days, default=None),
            force=True,
            breakdowns=tuple(
                one.target.breakdowns
                for one in on
                if isinstance(one.target, Dataset) and one.target.part is Part.BREAKDOWNS
            ),
            reports=tuple(
                one.target.report.name
                for one in on
                if isinstance(one.target, Dataset) and one.target.report is not None
            ),
        )
    )
    return replace(
        plan,
        edges=tuple(edge for edge in plan.edges if edge.spec.part in parts),
        windows=tuple(one for one in plan.windows if one.dataset.name in names),
        reads_account=False,
    )


def remove(connection: Connection, holding: Holding, earliest: date) -> int:
    """Take the dataset out, in the transaction of the caller, who holds the account's lock.

    Gives the number of its rows. `earliest` is the first day that Meta still keeps.
    """
    if isinstance(holding.target, Dataset):
        return _remove_insights(connection, holding, holding.target, earliest)
    spec = holding.target
    table = sql.Identifier(str(spec.table.schema), spec.table.name)
    # What is marked as deleted stays: no listing would bring it back.
    removed = connection.execute(
        sql.SQL("DELETE FROM {} WHERE account_id = %s AND NOT is_deleted").format(table),
        (holding.account_id,),
    ).rowcount
    # An edge whose cursor has no times is listed in full.
    connection.execute(
        "UPDATE meta_ads.sync_cursor SET last_full_at = NULL, updated_since = NULL,"
        " last_fetched_at = NULL WHERE account_id = %s AND edge = %s",
        (holding.account_id, spec.edge),
    )
    return removed


def _remove_insights(
    connection: Connection, holding: Holding, dataset: Dataset, earliest: date
) -> int:
    scope = dataset.scope(holding.account_id)
    values = {
        **scope.parameters,
        "dataset": dataset.name,
        "oldest": earliest,
        "since": holding.since,
    }
    if holding.since is not None:
        connection.execute(_KEEP_FIRST_DAY, values)
    removed = connection.execute(
        f"DELETE FROM {scope.table.schema}.{scope.table.name} AS kept "
        f"WHERE {scope.condition} AND kept.date_start >= %(oldest)s",
        values,
    ).rowcount
    # Days for which one field of a report was read are marks of their own, under its name.
    of_dataset = (
        "account_id = %(account_id)s"
        " AND (dataset = %(dataset)s OR starts_with(dataset, %(dataset)s || '/'))"
    )
    for table in (schema.sync_windows, schema.insights_gaps):
        connection.execute(
            f"DELETE FROM {table.schema}.{table.name} "
            f"WHERE {of_dataset} AND date_start >= %(oldest)s",
            values,
        )
    # A report that still runs was asked for by a plan that no longer holds.
    reports = schema.pending_reports
    connection.execute(f"DELETE FROM {reports.schema}.{reports.name} WHERE {of_dataset}", values)
    for table in _made_of(dataset):
        connection.execute(
            f"DELETE FROM {table.schema}.{table.name} WHERE account_id = %(account_id)s "
            "AND date_start >= %(oldest)s",
            values,
        )
    if schema.adset_rollups in _made_of(dataset):
        for statement in _TAKE_OUT_GOAL_DAYS:
            connection.execute(statement, values)
    return removed


def _made_of(dataset: Dataset) -> tuple[sa.Table, ...]:
    """Tables that are made of a dataset's rows, and made again when they are back."""
    if dataset.part is not Part.INSIGHTS:
        return ()
    if dataset.level == "ad":
        return (*_MADE_OF_ADS, schema.reconciliations)
    return (schema.reconciliations,) if dataset.is_proof else ()


def _is_read(
    target: EntitySpec | Dataset, engine: SyncEngine, settings: Settings, account_id: str
) -> bool:
    """Whether the settings have the dataset read by an ordinary sync of the account."""
    if isinstance(target, Dataset) and target.part is Part.INSIGHTS:
        # The account's own row is a proof, and read whatever META_INSIGHTS_LEVELS says.
        return target.level in (*settings.insights_levels, "account")
    if target.part in ENTITIES:
        return True
    if isinstance(target, Dataset) and target.report is not None:
        return target.report in engine.extras.reports and target.report.is_for(account_id)
    is_on = target.part in engine.extras.on(account_id)
    if isinstance(target, Dataset) and target.part is Part.BREAKDOWNS:
        return is_on and target.breakdowns in engine.extras.breakdowns
    return is_on
