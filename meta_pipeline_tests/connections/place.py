"""A simulator on a virtual clock, a database, and the connections between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from meta_pipeline.connections import Access, Connections, Keyring, Renewal, generate_key, renew
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import AccountSpec, Simulator, VirtualClock, World
from meta_pipeline.warehouse import ConnectionRow, Warehouse

START = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
KEY = generate_key("k1")
DAY_SECONDS = 86_400


@dataclass
class Place:
    """What a test of connections touches; `book` is the room's way in."""

    sim: Simulator
    clock: VirtualClock
    warehouse: Warehouse
    book: Connections

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.sim.world.accounts()]

    def issue(self, **given: Any) -> str:
        """A system user's token of 60 days, unless said otherwise."""
        facts: dict[str, Any] = {
            "scopes": ["ads_read"],
            "kind": "SYSTEM_USER",
            "expires_in_seconds": 60 * DAY_SECONDS,
            "user_id": "701",
            "user_name": "Reporting",
        }
        return self.sim.issue(**facts | given)

    def with_settings(self, **changes: Any) -> Connections:
        """The same connections under other settings."""
        settings = self.book.access.settings.model_copy(update=changes)
        return replace(self.book, access=replace(self.book.access, settings=settings))

    def with_keys(self, *keys: str) -> Connections:
        return replace(self.book, keyring=Keyring.parse(",".join(keys)))

    def pass_days(self, days: float) -> None:
        self.clock.advance(timedelta(days=days).total_seconds())

    def renew(self, row: ConnectionRow, **given: Any) -> Renewal:
        return renew(self.book, row, **given)

    def row(self, connection_id: str) -> ConnectionRow:
        found = self.warehouse.connections.get(connection_id)
        assert found is not None
        return found

    def works(self, token: str) -> bool:
        return bool(self.sim.tokens.debug(token)["data"]["is_valid"])

    def events(self) -> list[str]:
        query = "SELECT event FROM meta_ads.connection_events ORDER BY id"
        return [event for (event,) in self.query(query)]

    def query(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.warehouse.url) as connection:
            return connection.execute(text, values).fetchall()

    def change(self, text: str, *values: Any) -> None:
        """A statement that gives no rows."""
        with psycopg.connect(self.warehouse.url) as connection:
            connection.execute(text, values)

    def dump(self) -> str:
        """Every row of every table, with bytes as text: what a dump of the database shows."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'meta_ads'"
        found = [self.query(f"SELECT * FROM meta_ads.{name}") for (name,) in self.query(query)]
        sealed = self.query(
            "SELECT encode(sealed, 'escape') FROM meta_ads.connection_tokens UNION ALL "
            "SELECT encode(sealed, 'escape') FROM meta_ads.pending_connections"
        )
        return repr((found, sealed))


@contextmanager
def place_of(url: str, accounts: int = 3, clock: VirtualClock | None = None) -> Iterator[Place]:
    """A place with so many small ad accounts, on a virtual clock if on no other."""
    clock = clock or VirtualClock(START)
    specs = tuple(AccountSpec(f"Shop {n}", 1, 1, 1, (1, 1, 1)) for n in range(accounts))
    with (
        Simulator(World(seed=3, clock=clock, accounts=specs), token="EAAENVIRONMENT") as sim,
        Warehouse(url) as warehouse,
    ):
        settings = Settings.load(
            env_file=None,
            graph_url=sim.url,
            app_id=sim.tokens.app.id,
            app_secret=sim.tokens.app.secret,
            access_token=sim.token,
        )
        access = Access(settings, clock=clock.now, sleep=sim.sleep)
        yield Place(sim, clock, warehouse, Connections(warehouse, access, Keyring.parse(KEY), "t"))
