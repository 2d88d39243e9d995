"""The clock was ahead, and is right again: what was stored meanwhile holds nothing back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from meta_pipeline.advisor.store import newest_by_key
from meta_pipeline.alerts import AlertLimits, Notifier, account_problems
from meta_pipeline.alerts.message import Message
from meta_pipeline.connections import due
from meta_pipeline.fleet import Policy, choose
from meta_pipeline.governor import Thresholds
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.reports.status import read_status, staleness_alarm, version_warnings
from meta_pipeline.sync.rows.unrecognized import Reason
from meta_pipeline.sync_requests import Dispatcher
from meta_pipeline.warehouse import TokenRow, Warehouse
from meta_pipeline.warehouse.stores.facts import FactRow
from meta_pipeline.warehouse.stores.rotation_states import rotation_states
from meta_pipeline.warehouse.stores.unrecognized import VERSION_SOURCE, UnrecognizedRow
from meta_pipeline_tests.clock_ahead import put_ahead

LONG_SINCE = timedelta(days=3)
AHEAD = st.integers(1, 400 * 24).map(lambda hours: timedelta(hours=hours))
_NEEDED = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'meta_ads' AND table_name = %s
        AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
"""
_WRITTEN = (
    "meta_ad_accounts", "sync_runs", "sync_windows", "sync_cursor", "unrecognized_values",
    "token_health", "usage_readings", "facts", "webhook_changes", "sync_requests", "connections",
    "meta_callbacks", "pending_connections", "alerts", "alert_channels", "pending_reports",
    "advice",
)  # fmt: skip


class Room:
    """Tables filled by one clock, and what they say by another."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.now = datetime.now(UTC)

    def fill(self) -> None:
        """Everything of an account whose every turn came long ago."""
        at = self.now - LONG_SINCE
        with self.warehouse.connection() as connection:
            for table in _WRITTEN:
                connection.execute(f"DELETE FROM meta_ads.{table}")
        account = {"account_id": "act_1"}
        self.insert("meta_ad_accounts", account, name="Shop", last_listed_at=at, currency="EUR",
                    timezone_name="UTC", is_accessible=True, first_seen_at=at)  # fmt: skip
        self.run("success", at)
        for edge in ("campaigns", "adsets", "ads", "account"):
            self.insert("sync_cursor", account, edge=edge, last_fetched_at=at, last_full_at=at)
        self.insert("sync_windows", account, dataset="insights_ad", fetched_at=at, rows=5,
                    date_start=self.now.date())  # fmt: skip
        for source, reason in (("insights", Reason.REFUSED_VALUE), (VERSION_SOURCE, "noticed")):
            row = UnrecognizedRow("act_1", source, "breakdowns", "age", reason, at)
            assert self.warehouse.unrecognized.record_once_a_day(row)
        self.warehouse.tokens.save(self.token(at))
        self.warehouse.usage.remember([self.reading(at)])
        self.warehouse.facts.write("default", [self.fact(at)], at)
        self.insert("webhook_changes", account, state="pending", received_at=at)
        self.insert("sync_requests", account, request_id="waits", source="api", state="pending",
                    not_before=at, requested_at=at)  # fmt: skip
        self.insert("sync_requests", {"account_id": "act_2"}, request_id="lost", source="api",
                    state="running", claim_id="c", claimed_at=at, requested_at=at)  # fmt: skip
        life = {"expires_at": self.now + timedelta(days=10), "renewed_at": at - timedelta(days=50)}
        self.insert("connections", life, connection_id="look", kind="user", state="active",
                    checked_at=at, expires_at=None)  # fmt: skip
        self.insert("connections", life, connection_id="renew", kind="user", state="active",
                    checked_at=at, renewal_failed_at=at, user_id="2")  # fmt: skip
        self.insert("meta_callbacks", {}, kind="deauthorize", tried_at=at, received_at=at)
        self.insert("pending_connections", {}, came_at=at, ends_at=at)
        self.insert("alerts", {}, alert_key="run:x", kind="failing", opened_at=at, resolved_at=at,
                    changed_at=at, grade=2)  # fmt: skip
        self.insert("alert_channels", {}, channel="told", told=Jsonb({"run:x": 2}),
                    last_sent_at=at)  # fmt: skip

    def insert(self, table: str, given: Mapping[str, Any], **values: Any) -> None:
        """A row; what it needs besides is filled up."""
        samples = {
            "text": "x", "boolean": False, "jsonb": Jsonb([]), "bytea": b"x",
            "date": self.now.date(),
            "timestamp with time zone": self.now - LONG_SINCE,
        }  # fmt: skip
        with self.warehouse.connection() as connection:
            needed = {
                name: samples.get(kind, 1)
                for name, kind in connection.execute(_NEEDED, (table,)).fetchall()
            }
            row = (
                needed
                | ({"tenant": "default"} if "tenant" in needed else {})
                | dict(given)
                | values
            )
            names, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
            connection.execute(f"INSERT INTO meta_ads.{table} ({names}) VALUES ({places})", row)

    def run(self, status: str, at: datetime) -> None:
        scope = "campaigns,adsets,ads,insights"
        self.insert("sync_runs", {}, sync_run_id=f"{status} {at}", account_id="act_1", scope=scope,
                    started_at=at, finished_at=at, status=status)  # fmt: skip

    def token(self, at: datetime) -> TokenRow:
        return TokenRow(token_key="t", is_valid=True, scopes=[], missing_scopes=[], checked_at=at)

    def reading(self, at: datetime) -> UsageReading:
        return UsageReading("account", "act_1", "", 5.0, at)

    def fact(self, at: datetime) -> FactRow:
        day = self.now.date()
        return FactRow("shop", "act_1", "account", "act_1", "orders", day, -1, "", Decimal(1), at)

    def told(self, ahead: timedelta) -> dict[str, Any]:
        """What each part of the product says and does at `now`, in the words of this test."""
        found, now = self.warehouse, self.now
        minute = timedelta(minutes=1)
        with found.connection() as connection:
            put_ahead(connection, ahead)
        said: dict[str, Any] = {}
        status = read_status(found)
        said["stale"] = staleness_alarm(status, timedelta(hours=6)) is not None
        with found.connection() as connection:
            problems = account_problems(connection, AlertLimits())
            said["late"] = [*map(str, problems.values())]
            states = rotation_states(connection, now)
            said["advice"] = newest_by_key(connection, "act_1", now)
        said["next"] = [one.account_id for one in choose(states, now, next(iter(Policy))).picks]
        care = due(found, now)
        said["care"] = (care.looks, care.renewals, len(care.callbacks), care.sweeps)
        said["refused"] = found.unrecognized.noted(
            "act_1", Reason.REFUSED_VALUE, now - LONG_SINCE / 3, now
        )
        said["version"] = version_warnings(found, now=now)
        notice = UnrecognizedRow("act_1", VERSION_SOURCE, "breakdowns", "age", "noticed", now)
        said["noticed anew"] = found.unrecognized.record_once_a_day(notice)
        found.tokens.save(self.token(now))
        said["token"] = [one.checked_at for one in found.tokens.in_use()] == [now]
        found.usage.remember([self.reading(now)], now=now)
        said["usage"] = [one.read_at for one in found.usage.current()] == [now]
        said["fact"] = found.facts.write("default", [self.fact(now)], now)
        said["webhooks"] = found.webhooks.due(now - minute, now - 10 * minute, now)
        dispatcher = Dispatcher(found, Thresholds())
        dispatcher.settle({}, now)
        said["requests"] = sorted(
            one for claim in dispatcher.take(now) for one in claim.request_ids
        )
        channel = Told()
        Notifier(found.connection, [channel]).tell(now)
        said["over"] = len(channel.messages)
        for minutes in (20, 10):
            self.run("fail", now - minutes * minute)
        said["failures"] = found.runs.failing("act_1", now)[0]
        with found.connection() as connection:
            problems = account_problems(connection, AlertLimits())
            said["failing"] = [*map(str, problems.values())]
        return said


class Told:
    """A channel that keeps what it is told."""

    name = "told"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)


@pytest.fixture
def room(warehouse: Warehouse) -> Room:
    return Room(warehouse)


@given(ahead=AHEAD)
@settings(max_examples=8)
def test_everything_is_due_and_told_as_if_the_clock_had_been_right(
    room: Room, ahead: timedelta
) -> None:
    room.now = datetime.now(UTC)
    room.fill()
    usual = room.told(timedelta(0))
    assert usual["care"] == (("look",), ("renew",), 1, 1), usual
    assert usual["failing"] == ["failing"], usual
    room.fill()
    assert room.told(LONG_SINCE + ahead) == usual
