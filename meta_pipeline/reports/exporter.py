"""Exporter: our tables as Prometheus metrics, over HTTP.

Counters are sums over the tables and what is added up of them already, so any number of exporters
say the same and a restart loses nothing. Reads are bounded: hourly totals instead of calls, of old
rows their sum, one connection, five seconds at most, and answers are kept for a few seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from psycopg.rows import dict_row
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from meta_pipeline.warehouse import (
    Connection,
    Warehouse,
    WarehouseError,
    tokens_in_use,
)
from meta_pipeline.warehouse.counters import COUNTERS, counted_until

# Two Prometheuses that scrape at once are one look at the tables.
KEEP_SECONDS = 5.0
# A scrape waits ten seconds by default: an answer after that is for nobody.
_TIMEOUT_SECONDS = 5.0
THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
"""Names of it: any other may be somebody's web page that leads here (DNS rebinding)."""
_log = logging.getLogger(__name__)
# A token without an end must not look like one that has ended: alerts compare with now.
_NEVER = float("inf")

_HEALTH = """
    SELECT account_id, is_running, not_before, insight_days_missing, usage_pct,
        coalesce(connection_id, 'environment') AS connection, last_attempt_at,
        extract(epoch FROM meta_ads.present() - entities_synced_at)::float8 AS entities,
        extract(epoch FROM meta_ads.present() - insights_synced_at)::float8 AS insights,
        extract(epoch FROM last_success_at)::float8 AS succeeded_at,
        coalesce(extract(epoch FROM not_before), 0)::float8 AS waiting_until
    FROM meta_ads.sync_health WHERE is_accessible ORDER BY account_id
"""
_QUOTA = """
    SELECT key AS account, concat_ws(':', scope, nullif(use_case, '')) AS kind,
        usage_pct::float8 / 100 AS ratio
    FROM meta_ads.usage_readings
    WHERE meta_ads.past(read_at) > meta_ads.present() - interval '1 hour' ORDER BY 1, 2
"""
_CONNECTIONS = """
    SELECT connection_id, app_id, state IN ('active', 'expiring') AS is_usable, expires_at,
        data_access_expires_at
    FROM meta_ads.connections WHERE state <> 'replaced' ORDER BY connection_id
"""


class WarehouseCollector(Collector):
    """Gives Prometheus what the tables say now; asked again within seconds, what they said."""

    def __init__(
        self,
        warehouse: Warehouse,
        *,
        leaves_out: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warehouse = warehouse
        self._leaves_out = leaves_out
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._kept: list[Metric] = []
        self._failed: Exception | None = None

    def collect(self) -> Iterator[Metric]:
        """Every metric; raises WarehouseError or psycopg.Error when Postgres does not answer."""
        # Whoever comes meanwhile waits for this look instead of having one of its own.
        with self._lock:
            if self._looked_at is None or self._clock() - self._looked_at >= KEEP_SECONDS:
                self._look()
            kept, failed = list(self._kept), self._failed
        if failed is not None:
            raise failed
        yield from kept

    def _look(self) -> None:
        """Read all, or keep why not: who waited meanwhile would wait as long again, one by one."""
        try:
            with self._warehouse.connection() as connection:
                self._kept, self._failed = list(_read(_Look(connection), self._leaves_out)), None
        except (WarehouseError, psycopg.Error) as error:
            self._failed = error
        self._looked_at = self._clock()

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead: registering must not need a database."""
        return []


def exporter_app(
    warehouse: Warehouse,
    leaves_out: Callable[[str], bool] = lambda _: False,
    *,
    hosts: Sequence[str] = ("*",),
) -> Starlette:
    """`GET /metrics` as text for Prometheus; `GET /healthy` says that the process lives.

    Of accounts that the settings leave out (`leaves_out`) nothing is told: their age is no alarm.
    `hosts` are the names it may be asked by; `THIS_MACHINE` where only this machine reaches it.

    While Postgres does not answer, `/metrics` is a 503 with a sentence: Prometheus then shows the
    target as down instead of numbers that stand still.
    """
    # Of its own: the default registry would add numbers of this Python process to those of the
    # tables.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WarehouseCollector(warehouse, leaves_out=leaves_out))

    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        try:
            return Response(encode(registry), headers={"content-type": content_type})
        except (WarehouseError, psycopg.Error) as error:
            # It names hosts and roles, which are not for everybody who may scrape.
            _log.error("the database does not answer: %s", error)
            said = "The database does not answer: the log of the exporter says why.\n"
            return PlainTextResponse(said, status_code=503)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[Route("/metrics", metrics), Route("/healthy", healthy)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )


class _Look:
    """One moment, so that the numbers of a scrape fit each other, and one time for all of it.

    Statements that each had five seconds would together have a minute.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ends = time.monotonic() + _TIMEOUT_SECONDS
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    @property
    def connection(self) -> Connection:
        """The connection, whose next statement has the time that is left."""
        left_ms = max(1, round(1000 * (self._ends - time.monotonic())))
        limit = "SELECT set_config('statement_timeout', %s, true)"
        self._connection.execute(limit, (str(left_ms),))
        return self._connection


def _read(look: _Look, leaves_out: Callable[[str], bool]) -> Iterator[Metric]:
    yield from _health([row for row in _rows(look, _HEALTH) if not leaves_out(row["account_id"])])
    # No older reading: Meta's hour has passed, and what was full is empty again.
    yield _gauge(
        "metaads_quota_usage_ratio",
        "Usage of Meta's limits as read within the last hour, 1 is full",
        ("account", "kind"),
        (((row["account"], row["kind"]), row["ratio"]) for row in _rows(look, _QUOTA)),
    )
    yield from _lifetimes(look)
    counted = _rows(look, COUNTERS, counted_until(look.connection))
    for kept_as, about, label in _COUNTERS:
        counter = CounterMetricFamily(f"metaads_{kept_as}", about, labels=(label,))
        for row in counted:
            if row["counter"] == kept_as:
                counter.add_metric((row["label"],), row["total"])
        yield counter


_COUNTERS = (
    ("api_requests", "Graph API attempts by Meta's code", "code"),
    ("sync_runs", "Attempts to sync an account by status", "status"),
    ("rows_loaded", "Rows that were new or changed", "kind"),
    ("wait_seconds", "Waits throttled syncs were told, by reason", "reason"),
)


def _health(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    yield _gauge(
        "metaads_data_age_seconds",
        "Seconds since the last successful sync, +Inf for never",
        ("account", "table"),
        (
            ((row["account_id"], table), _NEVER if row[table] is None else row[table])
            for row in rows
            for table in ("entities", "insights")
        ),
    )
    for name, about, column in (
        ("metaads_last_success_timestamp_seconds", "Last successful sync; 0 never", "succeeded_at"),
        ("metaads_waiting_until_timestamp_seconds", "No call before; 0 no wait", "waiting_until"),
        ("metaads_insight_days_missing", "Days never fetched", "insight_days_missing"),
        ("metaads_sync_running", "1 while a sync holds the account", "is_running"),
    ):
        values = (((row["account_id"],), float(row[column] or 0)) for row in rows)
        yield _gauge(name, about, ("account",), values)
    read = [row for row in rows if row["last_attempt_at"] is not None]
    yield _gauge(
        "metaads_account_connection_info",
        "The connection that an account was last read through; environment: META_ACCESS_TOKEN",
        ("account", "connection"),
        (((row["account_id"], row["connection"]), 1) for row in read),
    )


def _lifetimes(look: _Look) -> Iterator[Metric]:
    """Until when each token lives, and its access to data, which Meta ends apart from it."""
    yield _gauge(
        "metaads_token_expires_timestamp_seconds",
        "End of the access token and of its access to data; 0 when refused, +Inf for no end",
        ("app", "token", "kind"),
        (
            ((one.app_id or "", one.token_key, kind), at)
            for one in tokens_in_use(look.connection)
            for kind, at in _ends(one.expires_at, one.data_access_expires_at, one.is_valid)
        ),
    )
    yield _gauge(
        "metaads_connection_expires_timestamp_seconds",
        "End of a stored connection's token and data access; 0 when refused, +Inf for no end",
        ("connection", "app", "kind"),
        (
            ((one["connection_id"], one["app_id"], kind), at)
            for one in _rows(look, _CONNECTIONS)
            for kind, at in _ends(
                one["expires_at"], one["data_access_expires_at"], one["is_usable"]
            )
        ),
    )


def _ends(
    token: datetime | None, access: datetime | None, is_good: bool
) -> Iterator[tuple[str, float]]:
    for kind, end in (("token", token), ("data_access", access)):
        at = _NEVER if end is None else end.timestamp()
        # Refused is worse than near its end: at 0 every alert on the end fires.
        yield kind, at if is_good else 0


def _gauge(
    name: str, about: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    gauge = GaugeMetricFamily(name, about, labels=labels)
    for of, value in values:
        gauge.add_metric(of, value)
    return gauge


def _rows(
    look: _Look, query: str, values: Mapping[str, datetime] | None = None
) -> list[dict[str, Any]]:
    return look.connection.cursor(row_factory=dict_row).execute(query, values).fetchall()
