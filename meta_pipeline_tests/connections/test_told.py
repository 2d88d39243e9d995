"""What people are told of whose connection an account uses, and how long that lives."""

from __future__ import annotations

from contextlib import nullcontext

from meta_pipeline.commands.check.connections import connection_findings
from meta_pipeline.commands.connected import Connected, connected
from meta_pipeline.connections import days_left, listed
from meta_pipeline.orchestration.record_metadata import record_metadata
from meta_pipeline.orchestration.session import SyncSession
from meta_pipeline.reports.exporter import WarehouseCollector
from meta_pipeline.sync import SyncRequest
from meta_pipeline_tests.connections.engines import engine_of
from meta_pipeline_tests.connections.place import Place, place_of


def exported(place: Place, name: str) -> dict[tuple[str, ...], float]:
    families = {one.name: one for one in WarehouseCollector(place.warehouse).collect()}
    return {tuple(one.labels.values()): one.value for one in families[name].samples}


def test_everybody_is_told_the_same(database_url: str) -> None:
    with place_of(database_url, accounts=2) as place, engine_of(place) as engine:
        env, mine = place.ids
        settings = place.book.access.settings
        place.sim.tokens.restrict(place.sim.token, accounts=[env])
        engine.discover()
        engine.token()
        now = place.clock.now()
        alone = connected(place.warehouse, settings, [env], now)[env]
        assert alone.connection == "META_ACCESS_TOKEN"
        assert alone.days_left is not None
        row = place.book.add(place.issue(accounts=[mine]), name="Agency")
        engine.discover()
        whose = connected(place.warehouse, settings, place.ids, now)
        left = days_left(now, row.expires_at, None)
        assert whose[mine] == Connected(f"Agency ({row.connection_id})", left)
        assert whose[env] == alone
        assert [one.accounts for one in listed(place.warehouse, settings, now)] == [1, 1]

        session = SyncSession(engine, is_simulated=True)
        for account_id, label, days in (
            (mine, f"Agency ({row.connection_id})", left),
            (env, "META_ACCESS_TOKEN", alone.days_left),
        ):
            metadata = record_metadata(*session.sync(SyncRequest(account_id)))
            assert metadata["connection"].value == label
            assert metadata["connection_days_left"].value == days
            assert f"| Connection | {label}" in str(metadata["summary"].value).replace("\\", "")

        used = exported(place, "metaads_account_connection_info")
        assert set(used) == {(env, "environment"), (mine, row.connection_id)}
        ends = exported(place, "metaads_connection_expires_timestamp_seconds")
        assert row.expires_at is not None
        assert ends[row.connection_id, row.app_id, "token"] == row.expires_at.timestamp()

        (well,) = connection_findings(nullcontext(database_url), settings, now)
        assert (well.subject, well.ok) == (f"Agency ({row.connection_id})", True)
        assert f"1 account, active, {left} days left" in well.text

        place.sim.tokens.revoke(place.book.token(row))
        engine.discover()
        whose = connected(place.warehouse, settings, place.ids, now)
        assert (whose[mine].connection, whose[mine].cell) == (None, "none")
        assert "is revoked" in str(whose[mine].problem)
        (dead,) = connection_findings(nullcontext(database_url), settings, now)
        assert not dead.ok
        assert "connections add --paste" in str(dead.fix)
        assert (
            exported(place, "metaads_connection_expires_timestamp_seconds")[
                row.connection_id, row.app_id, "token"
            ]
            == 0
        )
