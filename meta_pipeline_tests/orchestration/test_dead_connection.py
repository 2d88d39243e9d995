"""Meta calls a token dead: the connection is marked, people are told, and the account goes on."""

from __future__ import annotations

import dagster as dg
import pytest

from meta_pipeline_tests.orchestration.instances import instance
from meta_pipeline_tests.orchestration.standing import standing

__all__ = ["instance"]


def test_from_190_to_the_message_in_the_channel_and_back_to_normal(
    database_url: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standing(database_url, instance, monkeypatch) as place:
        assert place.run("discover_accounts").success
        assert place.sync().success
        used = "SELECT DISTINCT connection_id FROM meta_ads.sync_runs"
        assert place.query(used) == [(place.long.connection_id,)]
        assert place.tick() == "Nothing has changed."

        place.sim.tokens.revoke(place.tokens["Long"])
        place.sim.journal.clear()
        done = place.sync()
        assert done.success
        assert place.sim.journal.count(code=190) >= 1
        runs = "SELECT status, connection_id FROM meta_ads.sync_runs WHERE dagster_run_id = %s"
        assert set(place.query(runs, done.run_id)) == {("success", place.short.connection_id)}
        states = "SELECT connection_id, state FROM meta_ads.connections"
        assert dict(place.query(states)) == {
            place.long.connection_id: "revoked",
            place.short.connection_id: "active",
        }
        materialized = [
            one.step_materialization_data.materialization.metadata["connection"].value
            for one in done.all_events
            if one.is_step_materialization
            and "connection" in one.step_materialization_data.materialization.metadata
        ]
        assert materialized
        assert set(materialized) == {f"Short ({place.short.connection_id})"}

        assert "told 1 new" in place.tick(minutes=5)
        (text,) = place.hook.texts
        assert f"connection Long ({place.long.connection_id})" in text
        assert "190/458" in text
        assert "onnect" in text, "what to do"
        assert not any(token in text for token in place.tokens.values())
        assert place.tick(minutes=120) == "Nothing has changed.", "told once"

        again = place.sim.issue(
            scopes=["ads_read"], kind="SYSTEM_USER", user_id="701", user_name="Long"
        )
        renewed = place.book.add(again)
        assert place.tick(minutes=120) == "Nothing has changed.", "it may flap"
        assert "1 back to normal" in place.tick(minutes=120)
        assert "Long" in place.hook.texts[-1]
        assert place.run("discover_accounts").success
        last = place.sync(place.ids[0])
        assert set(place.query(runs, last.run_id)) == {("success", renewed.connection_id)}
