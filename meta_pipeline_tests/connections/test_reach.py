"""Which of several connections an ad account is read through: a pure choice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.connections import (
    ConnectionKind,
    ConnectionState,
    MetaConnection,
    Reach,
    in_order,
)
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import ConnectionRow, Warehouse

NOW = datetime(2026, 11, 20, tzinfo=UTC)
READ, BOTH = frozenset({"ads_read"}), frozenset({"ads_read", "ads_management"})


def connection(name: str, *, days: float | None = 60, **facts: Any) -> MetaConnection:
    """A connection with so many days to live; None: no end."""
    ends = None if days is None else NOW + timedelta(days=days)
    known: dict[str, Any] = {
        "connection_id": None if name == "env" else name,
        "name": name,
        "kind": ConnectionKind.ENVIRONMENT if name == "env" else ConnectionKind.SYSTEM_USER,
        "app_id": "1",
        "app": "app",
        "scopes": READ,
        "state": ConnectionState.ACTIVE,
        "expires_at": ends,
    }
    return MetaConnection(**known | facts)


WORSE_THAN_GOOD = {
    "shorter life": connection("b", days=40),
    "data access ends earlier": connection("b", data_access_expires_at=NOW + timedelta(days=30)),
    "about to end, with more rights": connection(
        "b", days=3, state=ConnectionState.EXPIRING, scopes=BOTH
    ),
    "may not read, without an end": connection(
        "b", days=None, scopes=frozenset({"business_management"})
    ),
    "refused for another reason": connection("b", days=None, problem="(#200) API access blocked"),
    "revoked, without an end": connection(
        "b", days=None, state=ConnectionState.REVOKED, scopes=BOTH
    ),
    "nobody asked about it": connection("env", days=None, is_known=False, scopes=frozenset()),
}


@pytest.mark.parametrize("worse", WORSE_THAN_GOOD.values(), ids=WORSE_THAN_GOOD)
def test_the_better_one_is_used(worse: MetaConnection) -> None:
    good = connection("z")
    assert in_order([worse, good]) == [good, worse]


def test_more_rights_go_before_a_longer_life_and_no_end_is_the_longest() -> None:
    strong, endless, short = (
        connection("s", scopes=BOTH),
        connection("e", days=None),
        connection("t"),
    )
    assert in_order([short, endless, strong]) == [strong, endless, short]


CONNECTIONS = st.builds(
    connection,
    st.sampled_from(["env", "conn_1", "conn_2", "conn_3"]),
    days=st.none() | st.integers(-5, 90),
    scopes=st.sampled_from([READ, BOTH, frozenset()]),
    state=st.sampled_from(ConnectionState),
    problem=st.none() | st.just("no"),
    is_known=st.booleans(),
)


@given(st.lists(CONNECTIONS, unique_by=lambda one: one.connection_id, max_size=4), st.randoms())
def test_every_process_chooses_alike(connections: list[MetaConnection], random: Any) -> None:
    chosen = in_order(connections)
    random.shuffle(connections)
    assert in_order(connections) == chosen
    usable = [one.state.is_usable for one in chosen]
    assert usable == sorted(usable, reverse=True), "a dead one never goes before a living one"


def test_who_reaches_an_account_and_what_is_said_when_nobody_does() -> None:
    living, dead = connection("living"), connection("dead", state=ConnectionState.EXPIRED)
    reach = Reach(
        NOW,
        environment=connection("env", days=5, state=ConnectionState.EXPIRING),
        stored={"living": living, "dead": dead},
        accounts={"act_1": ("dead", "living"), "act_2": ("dead",), "act_3": ("living",)},
        environment_accounts=frozenset({"act_3"}),
    )
    assert [one.name for one in reach.usable("act_1")] == ["living"]
    assert [one.name for one in reach.usable("act_3")] == ["living", "env"]
    assert [one.name for one in reach.usable("act_unknown")] == ["env"]
    assert reach.usable("act_2") == []
    why = reach.why_none("act_2")
    assert why is not None
    assert "dead (dead) is expired" in why
    assert "connections add --paste" in why
    assert reach.why_none("act_1") is None


def test_the_token_of_the_environment_is_asked_however_dead_it_was() -> None:
    alone = Reach(NOW, environment=connection("env", state=ConnectionState.REVOKED))
    assert alone.is_plain
    assert [one.name for one in alone.usable("act_1")] == ["env"]


def test_of_one_account_no_choice_is_read_but_of_that_one(warehouse: Warehouse) -> None:
    store = warehouse.connections
    for number, (state, chosen) in enumerate(
        {
            "active": ["act_1", "act_2"],
            "revoked": ["act_2"],
            "expiring": None,
            "replaced": ["act_1"],
        }.items()
    ):
        store.save(
            ConnectionRow(
                connection_id=f"conn_{number}",
                tenant="default",
                kind="system_user",
                name=state,
                app_id="1",
                user_id=str(number),
                scopes=["ads_read"],
                state=state,
                added_at=NOW + timedelta(hours=number),
                checked_at=NOW,
                chosen_accounts=chosen,
            )
        )
    settings = Settings.load(env_file=None)
    for account, chosen_of in (
        (None, [{"act_1", "act_2"}, {"act_2"}]),
        ("act_1", [{"act_1"}, set()]),
    ):
        reach = Reach.read(warehouse, settings, NOW, account)
        assert [one.chosen for one in reach.stored.values()] == [*chosen_of, None]
