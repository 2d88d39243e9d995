"""What Meta says of the token is kept where everybody reads it, without the token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from meta_pipeline.graph import GraphClient, GraphError, Reauthorize
from meta_pipeline.simulator import Fault
from meta_pipeline.sync import SyncEngine
from meta_pipeline_tests.sync.lab import START, Lab, lab


@pytest.fixture
def made(database_url: str) -> Iterator[Lab]:
    with lab(database_url) as found:
        yield found


def issue(made: Lab, **given: object) -> str:
    return made.sim.tokens.issue(**given).value  # type: ignore[arg-type]


@contextmanager
def asking_with(made: Lab, token: str) -> Iterator[SyncEngine]:
    """The engine of a deployment whose META_ACCESS_TOKEN is another one."""
    context = made.engine.context
    with GraphClient(
        access_token=token, base_url=made.sim.url, clock=made.clock.now, sleep=made.sim.sleep
    ) as client:
        yield SyncEngine(replace(context, client=client))


def test_one_call_keeps_what_meta_says(made: Lab) -> None:
    calls = made.calls()
    made.engine.token()
    assert made.calls() == calls + 1
    (row,) = made.warehouse.tokens.in_use()
    assert (row.is_valid, row.app_id, row.checked_at) == (True, made.sim.tokens.app.id, START)
    assert row.scopes == ["ads_management", "ads_read", "business_management"]
    assert row.missing_scopes == []
    assert row.data_access_expires_at == START + timedelta(days=90)
    made.telemetry.flush()
    assert made.scalar("SELECT endpoint_key FROM meta_ads.meta_api_logs") == "debug_token"


def test_the_end_and_a_missing_scope(made: Lab) -> None:
    token = issue(made, expires_in_seconds=86_400, scopes=["email"], kind="SYSTEM_USER")
    with asking_with(made, token) as engine:
        engine.token()
    (row,) = made.warehouse.tokens.in_use()
    assert row.expires_at == START + timedelta(days=1)
    assert (row.missing_scopes, row.token_type) == (["ads_read"], "SYSTEM_USER")
    assert row.data_access_expires_at is None


def test_a_revoked_token_is_on_record_as_refused(made: Lab) -> None:
    made.engine.token()
    made.sim.tokens.revoke(made.sim.token)
    made.advance(hours=1)
    info = made.engine.token()
    assert isinstance(info.error, Reauthorize)
    (row,) = made.warehouse.tokens.in_use()
    assert (row.is_valid, row.checked_at) == (False, START + timedelta(hours=1))
    assert "190/458" in str(row.problem)


def test_the_token_is_nowhere_in_the_table(made: Lab) -> None:
    quoting = f"Malformed access token {made.sim.token}"
    made.sim.fail("GET", "/debug_token", with_=Fault.graph_error(190, message=quoting))
    made.engine.token()
    made.engine.token()
    stored = json.dumps(made.query("SELECT * FROM meta_ads.token_health"), default=str)
    assert made.sim.token not in stored
    assert made.sim.token[3:12] not in stored
    assert made.engine.client.token_key in stored


def test_a_replaced_token_drops_out(made: Lab) -> None:
    made.engine.token()
    made.advance(hours=1)
    token = issue(made)
    with asking_with(made, token) as engine:
        engine.token()
        assert len(made.warehouse.tokens.in_use()) == 2, "two deployments, perhaps"
        made.advance(hours=1)
        engine.token()
        (row,) = made.warehouse.tokens.in_use()
        assert row.token_key == engine.client.token_key
        assert made.scalar("SELECT count(*) FROM meta_ads.token_health") == 2
        made.advance(days=31)
        engine.token()
    assert made.scalar("SELECT count(*) FROM meta_ads.token_health") == 1


def test_while_the_app_is_blocked_what_was_said_last_holds(made: Lab) -> None:
    made.engine.token()
    made.sim.fail("GET", "/me/adaccounts", with_=Fault.graph_error(4))
    with pytest.raises(GraphError):
        made.engine.discover()
    calls = made.calls()
    known = made.engine.token()
    assert known.is_valid
    assert made.calls() == calls, "no call goes out while the app is blocked"
    with asking_with(made, issue(made)) as engine, pytest.raises(GraphError):
        engine.token()


def test_meta_saying_nothing_keeps_what_is_known(made: Lab) -> None:
    made.engine.token()
    made.sim.fail("GET", "/debug_token", with_=Fault.graph_error(100), times=None)
    with pytest.raises(GraphError):
        made.engine.token()
    (row,) = made.warehouse.tokens.in_use()
    assert row.is_valid
