"""A sync against a simulated world on a virtual clock, and the proof that the tables equal it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row

from meta_pipeline.graph import GraphClient
from meta_pipeline.simulator import AccountSpec, Simulator, VirtualClock, World
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.sync import (
    PlanPolicy,
    Progress,
    SyncContext,
    SyncEngine,
    SyncRequest,
    SyncRun,
)
from meta_pipeline.warehouse import TelemetryWriter, Warehouse

START = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
SMALL = AccountSpec("Nordwind Shop", 6, 14, 40, (3, 7, 20), zone="Europe/Berlin", currency="EUR")
STATUSES = (
    "ACTIVE PAUSED DELETED PENDING_REVIEW DISAPPROVED PREAPPROVED PENDING_BILLING_INFO "
    "CAMPAIGN_PAUSED ARCHIVED ADSET_PAUSED IN_PROCESS WITH_ISSUES"
).split()
_COLUMNS = {
    "campaigns": ("meta_campaigns", "campaign_id"),
    "adsets": ("meta_adsets", "adset_id"),
    "ads": ("meta_ads", "ad_id"),
}


def small_world(clock: VirtualClock, *specs: AccountSpec, seed: int = 11) -> World:
    return World(seed=seed, clock=clock, accounts=specs or (SMALL,))


@dataclass
class Lab:
    """Everything a test of the sync touches. `sync()` is one sync of the first account."""

    sim: Simulator
    clock: VirtualClock
    engine: SyncEngine
    warehouse: Warehouse
    telemetry: TelemetryWriter
    steps: list[Progress]
    doomed: str | None = None
    """The ad that a test takes out of the world."""

    @property
    def world(self) -> World:
        return self.sim.world

    @property
    def account_id(self) -> str:
        return self.world.accounts()[0].id

    def sync(self, account_id: str | None = None, **asked: Any) -> SyncRun:
        request = SyncRequest(account_id or self.account_id, **asked)
        return self.engine.sync(request, self.steps.append)

    def advance(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    def today(self, account_id: str | None = None) -> date:
        account = self.world.get(account_id or self.account_id)
        assert account is not None
        return self.clock.now().astimezone(ZoneInfo(account.values["timezone_name"])).date()

    def calls(self) -> int:
        """Graph calls the simulator has seen."""
        return len(self.sim.journal)

    def query(self, text: str, *values: Any) -> list[dict[str, Any]]:
        with self.warehouse.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(text, values).fetchall()

    def scalar(self, text: str, *values: Any) -> Any:
        (row,) = self.query(text, *values)
        return next(iter(row.values()))

    # -- what the world says, and what the tables say ---------------------------------------------

    def stored_entities(self, edge: str, account_id: str | None = None) -> dict[str, Any]:
        table, key = _COLUMNS[edge]
        found = self.query(
            f"SELECT * FROM meta_ads.{table} WHERE account_id = %s", account_id or self.account_id
        )
        return {row[key]: row for row in found}

    def assert_entities(self, account_id: str | None = None) -> None:
        """Every object of the world is in its table with its values, and nothing else is."""
        account = account_id or self.account_id
        for edge in _COLUMNS:
            stored = self.stored_entities(edge, account)
            expected = {one.id: one.values for one in self.world.objects(edge, account)}
            living = {key for key, row in stored.items() if not row["is_deleted"]}
            gone = {
                key for key, given in expected.items() if given["effective_status"] == "DELETED"
            }
            assert living == expected.keys() - gone, edge
            for key in living:
                self._assert_entity(edge, stored[key], expected[key])

    def _assert_entity(self, edge: str, row: dict[str, Any], given: Any) -> None:
        for name in ("name", "status", "effective_status"):
            assert row[name] == _cleaned(given.get(name)), (edge, given["id"], name)
        if edge == "ads":
            assert row["creative_id"] == given["creative"]["id"]
            return
        factor = 1 if row["currency"] in ("JPY", "HUF", "TWD") else 100
        for name in ("daily_budget", "lifetime_budget"):
            minor = int(given.get(name) or 0)
            assert row[name] == (Decimal(minor) / factor if minor else None), (edge, name)

    def expected_insights(
        self, since: date, until: date, level: str = "ad", account_id: str | None = None
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Meta's own answer, computed without the server: key (entity, day) to row."""
        account = account_id or self.account_id
        query = InsightsQuery(
            node_id=account,
            level=level,
            ranges=((since, until),),
            increment=1,
            fields=(f"{level}_id", "spend", "impressions", "clicks", "reach", "actions"),
            filtering=()
            if level == "account"
            else ({"field": "ad.effective_status", "operator": "IN", "value": STATUSES},),
        )
        found = rows(self.world, query)
        key = "account_id" if level == "account" else f"{level}_id"
        return {(_entity(row[key], level), row["date_start"]): row for row in found}

    def assert_insights(
        self,
        since: date,
        until: date,
        level: str = "ad",
        account_id: str | None = None,
        *,
        conversions: bool = True,
    ) -> None:
        """Row by row and cent by cent; conversions may come late, all else ends with its day."""
        expected = self.expected_insights(since, until, level, account_id)
        found = self.query(
            "SELECT * FROM meta_ads.meta_insights WHERE account_id = %s AND entity_type = %s "
            "AND date_start BETWEEN %s AND %s",
            account_id or self.account_id,
            level,
            since,
            until,
        )
        stored = {(row["entity_id"], str(row["date_start"])): row for row in found}
        assert stored.keys() == expected.keys()
        for key, given in expected.items():
            row = stored[key]
            assert row["spend"] == Decimal(given["spend"]), key
            for name in ("impressions", "clicks", "reach"):
                value = given.get(name)
                assert row[name] == (None if value is None else int(value)), (key, name)
            if conversions:
                assert _default_values(row["actions"]) == _default_values(given.get("actions")), key

    def orphans(self) -> int:
        return int(
            self.scalar(
                "SELECT count(*) FROM meta_ads.meta_insights AS rows "
                "LEFT JOIN meta_ads.meta_ads USING (ad_id) "
                "WHERE rows.entity_type = 'ad' AND meta_ads.ad_id IS NULL"
            )
        )


def _entity(value: str, level: str) -> str:
    return f"act_{value}" if level == "account" and not value.startswith("act_") else value


def _cleaned(value: Any) -> Any:
    return value.replace("\x00", "") if isinstance(value, str) else value


def _default_values(actions: Any) -> dict[str, str]:
    return {one["action_type"]: one["value"] for one in actions or ()}


@contextmanager
def lab(
    database_url: str,
    *specs: AccountSpec,
    policy: PlanPolicy | None = None,
    world: World | None = None,
    start: datetime = START,
    parallel: int = 4,
    read_timeout_seconds: float = 30,
    version: str = "v26.0",
    deadline_seconds: float = 180,
    max_answer_bytes: int = 64_000_000,
    app_secret: str | None = None,
    **simulator: Any,
) -> Iterator[Lab]:
    """A running simulator, an engine on it and an empty migrated database."""
    clock = VirtualClock(start) if world is None else world.clock
    assert isinstance(clock, VirtualClock)
    found = world or small_world(clock, *specs)
    with (
        Simulator(found, **simulator) as sim,
        Warehouse(database_url) as warehouse,
        TelemetryWriter(database_url) as telemetry,
        GraphClient(
            access_token=sim.token,
            base_url=sim.url,
            version=version,
            clock=clock.now,
            sleep=sim.sleep,
            read_timeout_seconds=read_timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_answer_bytes=max_answer_bytes,
            app_secret=app_secret,
        ) as client,
    ):
        context = SyncContext(
            client=client,
            warehouse=warehouse,
            telemetry=telemetry,
            policy=policy or PlanPolicy(backfill_days=10),
            max_parallel_calls=parallel,
            clock=clock.now,
            sleep=sim.sleep,
        )
        yield Lab(sim, clock, SyncEngine(context), warehouse, telemetry, [])
        retired = [one for one in sim.journal if str(one.flag).startswith("retired_form")]
        assert not retired, "a sync uses no form of request that new apps may not use"
