"""How long the API version in use lives, and what Meta's answers say of it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.graph import Attempt, BatchOperation, GraphClient
from meta_pipeline.graph.versions import (
    AS_OF,
    DEFAULT,
    GOOD_FOR,
    TABLE,
    table_problem,
    version_notice,
    version_state,
)
from meta_pipeline.settings import Settings
from meta_pipeline_tests.graph.conftest import MakeClient
from meta_pipeline_tests.graph.scripted import Reply, ScriptedServer, batch_reply, error

DAY = date(2026, 11, 28)
DOCS = Path(__file__).parents[2] / "docs" / "tokens.md"


@pytest.mark.parametrize(
    ("version", "on", "said", "days_left", "ok"),
    [
        ("v27.0", DAY, "no end announced as of 2026-11-28", None, True),
        ("v26.0", DAY, "no end announced", None, True),
        ("v25.0", DAY, "lives until 2027-02-23, 87 days", 87, True),
        ("v25.0", date(2026, 11, 25), "lives until 2027-02-23, 90 days", 90, True),
        ("v25.0", date(2027, 2, 23), "0 days", 0, True),
        ("v25.0", date(2027, 2, 24), "expired on 2027-02-23", -1, False),
        ("v24.0", DAY, "expired on 2026-11-10", -18, False),
        ("v22.0", DAY, "expired: older than v23.0", None, False),
        ("v3.2", DAY, "expired", None, False),
        ("v28.0", DAY, "newer than the newest this release knows", None, True),
    ],
)
def test_a_version_says_how_long_it_lives(
    version: str, on: date, said: str, days_left: int | None, ok: bool
) -> None:
    state = version_state(version, on)
    assert said in state.text
    assert (state.days_left, state.ok) == (days_left, ok)
    is_warned = not ok or (days_left is not None and days_left < 90)
    assert is_warned == (state.fix is not None)
    if is_warned:
        assert f"META_API_VERSION={DEFAULT}" in str(state.fix)


@pytest.mark.parametrize("version", ["v26.0", "v27.0", "v28.0"])
def test_an_old_table_says_that_it_is_old(version: str) -> None:
    assert version_state(version, AS_OF + GOOD_FOR).fix is None
    late = version_state(version, AS_OF + GOOD_FOR + timedelta(days=1))
    assert "is 121 days old (of 2026-11-28): update meta-pipeline" in str(late.fix)
    assert late.ok, "said, but no reason to fail a check on the day it gets old"


def test_the_table_is_in_order_and_the_default_lives_in_it() -> None:
    assert [one.released for one in TABLE] == sorted((one.released for one in TABLE), reverse=True)
    assert all(one.ends is None or one.ends > one.released for one in TABLE)
    assert Settings.model_fields["api_version"].default == DEFAULT
    assert version_state(DEFAULT, AS_OF).ok
    assert table_problem(AS_OF) is None


def test_the_documented_table_is_the_same() -> None:
    rows = re.findall(r"^\| (v\d+\.0)[^|]*\| ([\d-]{10}) \| (.+) \|$", DOCS.read_text(), re.M)
    assert [(name, released) for name, released, _ in rows] == [
        (one.name, str(one.released)) for one in TABLE
    ]
    for (_, _, told), one in zip(rows, TABLE, strict=True):
        assert (str(one.ends) if one.ends else "not announced") in told


@given(st.text(max_size=12) | st.from_regex(r"v\d{1,5}\.\d{1,5}", fullmatch=True), st.dates())
def test_any_version_on_any_day_has_a_sentence(version: str, on: date) -> None:
    assert version_state(version, on).text


WARNING = "The call has been auto-upgraded to v26.0 as v23.0 has been deprecated."


@pytest.mark.parametrize(
    ("headers", "notice"),
    [
        ({}, None),
        ({"facebook-api-version": "v26.0"}, None),
        ({"facebook-api-version": "nonsense"}, None),
        ({"facebook-api-version": ""}, None),
        ({"facebook-api-version": "v27.0"}, "Meta answered a call to v26.0 with v27.0."),
        ({"x-ad-api-version-warning": WARNING}, WARNING),
        ({"x-ad-api-version-warning": WARNING, "facebook-api-version": "v27.0"}, WARNING),
    ],
)
def test_what_an_answer_says_of_its_version(headers: dict[str, str], notice: str | None) -> None:
    assert version_notice("v26.0", headers) == notice


@pytest.mark.parametrize("name", ["X-Ad-API-Version-Warning", "x-ad-api-version-warning"])
def test_every_attempt_carries_it_also_refused_ones(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt], name: str
) -> None:
    server.answer(
        Reply({"id": "1"}, headers={name: WARNING}),
        error(100, 33, headers={name: f"{WARNING} access_token=SECRET9999"}),
        Reply({"id": "1"}, headers={"Facebook-API-Version": "v27.0"}),
    )
    client.me()
    with pytest.raises(Exception, match="refused"):
        client.me()
    client.me()
    assert [attempt.version_notice for attempt in attempts] == [
        WARNING,
        f"{WARNING} access_token=[redacted]",
        "Meta answered a call to v26.0 with v27.0.",
    ]


def test_a_batch_carries_it_too(
    make_client: MakeClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    def answer(asked: object) -> Reply:
        inner = batch_reply(asked, lambda url: (200, {"id": url}))  # type: ignore[arg-type]
        return Reply(inner.body, headers={"x-ad-api-version-warning": WARNING})

    server.answer_with(answer)
    make_client().batch([BatchOperation("1")])
    assert attempts[0].version_notice == WARNING
