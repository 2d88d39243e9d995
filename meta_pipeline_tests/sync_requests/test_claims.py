"""Which requests share a sync: many who ask for the same, one account at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.model.part import Part
from meta_pipeline.sync_requests.asking import MOST_OBJECTS
from meta_pipeline.sync_requests.claims import claims, joinable, objects_of
from meta_pipeline.warehouse import SyncRequestRow
from meta_pipeline_tests.sync_requests.rows import NOW, SECOND, row


def test_ten_people_pressing_at_once_are_one_sync() -> None:
    pressed = [row(f"r{n}", requested_by=f"person {n}") for n in range(10)]
    (claim,) = claims(pressed, NOW)
    assert sorted(claim.request_ids) == sorted(one.request_id for one in pressed)
    assert claim.scope.parts is None
    assert claim.why.endswith("and 7 more")


def test_ids_are_added_up_and_read_before_what_was_asked_for_later() -> None:
    rows = [
        row("r1", objects={"ads": ["1", "2"]}, source="webhook"),
        row("r2", objects={"ads": ["2", "3"], "campaigns": ["9"]}, source="webhook"),
        row("r3"),
    ]
    (claim,) = claims(rows, NOW)
    assert claim.scope.is_named
    assert claim.request_ids == ["r1", "r2"]
    assert objects_of(claim.rows["act_1"]) == {Part.ADS: ("1", "2", "3"), Part.CAMPAIGNS: ("9",)}


def test_ids_that_are_too_many_together_are_one_sync_of_their_account() -> None:
    many = [str(number) for number in range(MOST_OBJECTS)]
    rows = [row("r1", objects={"ads": many}), row("r2", objects={"adsets": ["9"]}), row("r3")]
    (claim,) = claims(rows, NOW)
    assert (claim.scope.is_named, claim.request_ids) == (False, ["r1", "r2"])
    assert claim.scope.parts == frozenset({Part.ADS, Part.ADSETS})
    (within,) = claims([rows[0], rows[2]], NOW)
    assert within.scope.is_named


def test_other_days_are_another_sync_after_the_first() -> None:
    rows = [row("r1"), row("r2", since=date(2026, 11, 1), until=date(2026, 11, 5)), row("r3")]
    (claim,) = claims(rows, NOW)
    assert claim.request_ids == ["r1", "r3"]


def test_many_accounts_with_the_same_wish_share_runs() -> None:
    rows = [row(f"r{n}", f"act_{n}") for n in range(7)]
    found = claims(rows, NOW, accounts_per_run=3)
    assert [len(claim.rows) for claim in found] == [3, 3, 1]


def test_who_is_busy_or_waits_is_left_alone() -> None:
    rows = [row("r1"), row("r2", "act_2", not_before=NOW + SECOND), row("r3", "act_3")]
    (claim,) = claims(rows, NOW, busy={"act_1"})
    assert claim.request_ids == ["r3"]
    assert len(claims(rows, NOW + SECOND)) == 1, "all three in one run"


def test_what_the_settings_bring_covers_its_parts_and_no_extra_is_lost() -> None:
    rows = [row("r1", parts=["ads"]), row("r2"), row("r3", parts=["creatives"])]
    (claim,) = claims(rows, NOW)
    assert (claim.request_ids, claim.scope.parts) == (["r1", "r2"], None)
    (named,) = claims([rows[0], rows[2]], NOW)
    assert named.scope.parts == frozenset({Part.ADS, Part.CREATIVES})


def test_a_sync_that_just_began_serves_who_presses_again() -> None:
    running = [row("r1", state="running", claim_id="c1", claimed_at=NOW)]
    late = [
        row("soon", requested_at=NOW + 59 * SECOND),
        row("later", requested_at=NOW + 61 * SECOND),
        row("forced", requested_at=NOW, force=True),
        row("days", since=date(2026, 11, 1)),
        row("more", parts=["creatives"]),
        row("less", parts=["ads"]),
        row("other", "act_2"),
        row("ids", objects={"ads": ["1"]}),
    ]
    assert joinable(late, running) == {"c1": ["soon", "less"]}


NAMES = ["ads", "insights", "creatives"]
PARTS = st.one_of(st.none(), st.lists(st.sampled_from(NAMES), min_size=1))
ROWS = st.lists(
    st.builds(
        lambda account, parts, force, ids, since: row(
            "",
            f"act_{account}",
            parts=None if ids else parts,
            objects={"ads": ids} if ids else None,
            force=force,
            since=None if ids else since,
        ),
        st.integers(1, 3),
        PARTS,
        st.booleans(),
        st.lists(st.sampled_from(["1", "2", "3"]), max_size=2),
        st.sampled_from([None, date(2026, 11, 1)]),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(ROWS)
def test_every_request_is_served_once_and_no_account_twice_at_a_time(
    drawn: list[SyncRequestRow],
) -> None:
    rows = [replace(one, request_id=f"r{n}") for n, one in enumerate(drawn)]
    left, rounds = rows, 0
    while left:
        found = claims(left, NOW)
        accounts = [account for claim in found for account in claim.rows]
        assert len(accounts) == len(set(accounts)), "one sync of an account at a time"
        served = {one for claim in found for one in claim.request_ids}
        assert served, "somebody is always served"
        for claim in found:
            for one in (one for some in claim.rows.values() for one in some):
                wanted = set(one.parts or ())
                if claim.scope.is_named:
                    assert one.objects
                elif claim.scope.parts is None:
                    assert not wanted - {"campaigns", "adsets", "ads", "insights"}
                else:
                    assert wanted
                    assert wanted <= set(map(str, claim.scope.parts))
        left = [one for one in left if one.request_id not in served]
        rounds += 1
    assert rounds <= len(rows)
