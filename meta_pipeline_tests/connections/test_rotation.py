"""Whose turn it is, where accounts are read over several connections and apps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from meta_pipeline.fleet.rotation import Rotation
from meta_pipeline.fleet.tick import Tick, look
from meta_pipeline.model.usage import APP, MeterScope, UsageReading
from meta_pipeline.warehouse import ConnectionRow
from meta_pipeline_tests.connections.engines import engine_of
from meta_pipeline_tests.connections.place import Place, place_of

OTHER_APP = "774400000000001"


def tick(place: Place) -> Tick:
    settings = place.book.access.settings
    now = place.clock.now()
    return look(place.warehouse, now, Rotation.of(settings), slots=3, settings=settings)


def picked(found: Tick) -> set[str]:
    return {pick.account_id for run in found.runs for pick in run.picks}


def full(place: Place, app: str) -> UsageReading:
    """An app's own meter, full for half an hour."""
    now = place.clock.now()
    regain_at = now + timedelta(minutes=30)
    return UsageReading(MeterScope.APP, app, "", 100, now, regain_at, source="error 4")


def change(place: Place, row: ConnectionRow, **facts: Any) -> None:
    place.warehouse.connections.save(replace(place.row(row.connection_id), **facts))


def test_dead_connections_and_full_apps_hold_back_their_own_accounts_only(
    database_url: str,
) -> None:
    with place_of(database_url, accounts=3) as place, engine_of(place) as engine:
        env, mine, theirs = place.ids
        place.sim.tokens.restrict(place.sim.token, accounts=[env])
        ours = place.book.add(place.issue(accounts=[mine], user_id="1"), name="Mine")
        other = place.book.add(place.issue(accounts=[theirs], user_id="2"), name="Theirs")
        engine.discover()
        assert picked(tick(place)) == {env, mine, theirs}

        change(place, ours, state="revoked", problem="190")
        found = tick(place)
        assert picked(found) == {env, theirs}
        assert found.skipped[mine].startswith("no connection: ")
        assert f"Mine ({ours.connection_id}) is revoked" in found.skipped[mine]
        assert "connections add" in found.skipped[mine]

        change(place, ours, state="active", problem=None)
        change(place, other, app_id=OTHER_APP)
        place.warehouse.usage.remember([full(place, f"app_{OTHER_APP}")])
        found = tick(place)
        assert picked(found) == {env, mine}
        (stopped,) = found.stopped
        assert (stopped.account_id, stopped.app) == (theirs, f"app_{OTHER_APP}")
        assert f"app {OTHER_APP} is at 100 %" in stopped.reason

        place.pass_days(0.1)
        place.warehouse.usage.remember([full(place, APP)])
        found = tick(place)
        assert picked(found) == {theirs}
        assert {each.account_id for each in found.stopped} == {env, mine}

        place.pass_days(70)
        reasons = {each: why.partition(":")[0] for each, why in tick(place).skipped.items()}
        assert reasons == {mine: "no connection", theirs: "no connection"}, "their time is over"
