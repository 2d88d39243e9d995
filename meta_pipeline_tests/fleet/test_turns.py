"""One account at a time: when its turn comes, what it waits for, and what is read then.

Times are minutes, seen from now: those of the state lie behind, those of the turn ahead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.fleet import AccountState, DuePart, Policy, RotationRules, batches, choose
from meta_pipeline.fleet.candidate import Candidate, Hold, candidate
from meta_pipeline.fleet.policy import Cadences, Tier, tier_of
from meta_pipeline.moments import LONG_AGO

from .fleet import HOUR, MINUTE, NOW, SETTINGS, account, aged, new, picked

NUMBERS, STRUCTURE = frozenset({DuePart.INSIGHTS}), frozenset({DuePart.ENTITIES})
BOTH = NUMBERS | STRUCTURE
HIGH: dict[str, Any] = {"spend_7d": 500.0}
"""Numbers every 30 minutes; structure every 4 hours, as for all but low spenders."""
MEDIUM: dict[str, Any] = {"spend_7d": 50.0}
"""Numbers every 2 hours."""
LOW: dict[str, Any] = {"spend_7d": 5.0}
"""Both every 12 hours."""


def ago(minutes: float) -> datetime:
    return NOW - minutes * MINUTE


def synced(numbers: float, structure: float, **values: Any) -> AccountState:
    """An account whose parts were read so many minutes ago, the newer one with success."""
    times = {
        "insights_synced_at": ago(numbers),
        "entities_synced_at": ago(structure),
        "last_attempt_at": ago(min(numbers, structure)),
    }
    return account(**(times | values))


def turn(state: AccountState, policy: Policy = Policy.HYBRID) -> Candidate:
    return candidate(state, Cadences(policy, SETTINGS).of(state), NOW, SETTINGS)


@dataclass(frozen=True)
class Turn:
    """An account, and in how many minutes its turn comes (behind us where negative)."""

    name: str
    state: AccountState
    due: float
    hold: Hold = Hold.CADENCE
    policy: Policy = Policy.HYBRID
    parts: frozenset[DuePart] = field(default_factory=frozenset)


TURNS = [
    Turn("numbers by the tier", synced(20, 20, **HIGH), 10),
    Turn("structure by its own cadence", synced(100, 230, **MEDIUM), 10),
    Turn("of a low spender no more often than numbers", synced(100, 700, **LOW), 20),
    Turn("rotation", synced(45, 45, **LOW), 15, policy=Policy.ROTATION),
    Turn("fallback", synced(170, 170, **HIGH), 10, policy=Policy.FALLBACK),
    Turn("due this very moment", synced(30, 30, **HIGH), 0, parts=NUMBERS),
    # -- what goes along --------------------------------------------------------------------------
    Turn("structure a quarter of an hour early", synced(31, 225, **HIGH), -1, parts=BOTH),
    Turn("and no earlier", synced(31, 224.9, **HIGH), -1, parts=NUMBERS),
    Turn("numbers a tenth of 2 hours early", synced(108, 240, **MEDIUM), 0, parts=BOTH),
    Turn("and no earlier", synced(107.9, 240, **MEDIUM), 0, parts=STRUCTURE),
    # -- new accounts and their days of long ago --------------------------------------------------
    Turn("a new account is due since it was found", new(minutes=7), -7, parts=BOTH),
    Turn(
        "one that misses its structure is due at once",
        synced(1, 1, **HIGH, entities_synced_at=None, last_status="partial", last_attempt_at=None),
        -30 * 24 * 60,
        parts=STRUCTURE,
    ),
    Turn(
        "missing days are due half an hour after the last sync, whatever the tier",
        synced(31, 31, **LOW, has_backfill_gap=True),
        -1,
        parts=NUMBERS,
    ),
    Turn(
        "those after a sync of the newest days at once",
        synced(1, 1, **LOW, has_backfill_gap=True, has_newest_days_only=True),
        -1,
        parts=NUMBERS,
    ),
    # -- what holds an account back ---------------------------------------------------------------
    Turn(
        "a sync by hand that found nothing to read holds it for half an hour",
        synced(600, 600, **HIGH, last_attempt_at=ago(10)),
        20,
        Hold.FRESH,
    ),
    Turn(
        "so does structure that was read",
        synced(600, 10, **HIGH),
        20,
        Hold.FRESH,
    ),
    Turn(
        "a throttle does until Meta's time",
        synced(600, 600, **HIGH, last_status="throttled", not_before=ago(-32)),
        32,
        Hold.THROTTLED,
    ),
    Turn(
        "which is no failure",
        synced(31, 31, **HIGH, last_status="throttled", not_before=ago(1)),
        -1,
        parts=NUMBERS,
    ),
    Turn(
        "without a time of Meta's it is one",
        synced(600, 600, **HIGH, last_status="throttled", failures=1, last_attempt_at=ago(1)),
        9,
        Hold.RETRY,
    ),
    Turn(
        "a rest of more than two days is nobody's",
        synced(31, 31, **HIGH, not_before=ago(-2 * 24 * 60 - 1)),
        -1,
        parts=NUMBERS,
    ),
    Turn(
        "one of two days is",
        synced(31, 31, **HIGH, not_before=ago(-2 * 24 * 60)),
        2 * 24 * 60,
        Hold.THROTTLED,
    ),
    *(
        Turn(
            f"a sync that ended as {status} holds it for 10 minutes",
            synced(600, 600, **HIGH, last_status=status, failures=failures, last_attempt_at=ago(4)),
            6,
            Hold.RETRY,
        )
        for status in ("fail", "partial", "running")
        for failures in (0, 1)
    ),
    Turn(
        "unless it is under way",
        synced(600, 600, **HIGH, last_status="running", last_attempt_at=ago(4), is_running=True),
        -570,
        parts=BOTH,
    ),
    Turn(
        "what holds it longest is named, the cadence where it is as long",
        synced(25, 25, **HIGH, last_status="fail", failures=2, last_attempt_at=ago(15)),
        5,
    ),
    # -- clocks that were wrong -------------------------------------------------------------------
    Turn(
        "numbers of the future were never read",
        synced(-6, 600, **HIGH, last_attempt_at=None),
        -30 * 24 * 60,
        parts=BOTH,
    ),
    Turn(
        "nor was its structure, nor was it found then",
        synced(600, -6, **HIGH, last_attempt_at=None, first_seen_at=ago(-6)),
        (LONG_AGO - NOW) / MINUTE,
        parts=BOTH,
    ),
    Turn("five minutes are no other time", synced(-5, -5, **HIGH), 30),
    Turn(
        "an attempt of the future holds nothing",
        synced(31, 31, **HIGH, last_status="fail", last_attempt_at=ago(-6)),
        -1,
        parts=NUMBERS,
    ),
]


@pytest.mark.parametrize("each", TURNS, ids=lambda each: each.name.replace(" ", "-"))
def test_a_turn_comes_when_a_part_is_due_and_nothing_holds_it(each: Turn) -> None:
    found = turn(each.state, each.policy)
    assert (found.due_at - NOW) / MINUTE == pytest.approx(each.due)
    assert (found.hold, found.parts) == (each.hold, each.parts)


@pytest.mark.parametrize(
    ("state", "turns"),
    [
        (synced(60, 60, **HIGH), 1),
        (synced(180, 180, **MEDIUM), 0.5),
        (new(minutes=30, spend_7d=5.0), 2),
    ],
)
def test_lateness_is_counted_in_turns_of_its_own(state: AccountState, turns: float) -> None:
    assert turn(state).overdue_turns(NOW) == pytest.approx(turns)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (synced(119, 119, **MEDIUM, has_backfill_gap=True), True),
        (synced(120, 120, **MEDIUM, has_backfill_gap=True), False),
        (synced(119, 119, **MEDIUM), False),
        (new(has_backfill_gap=True), False),
    ],
)
def test_an_account_waits_for_history_alone_until_its_numbers_are_due_too(
    state: AccountState, expected: bool
) -> None:
    assert turn(state).is_for_history(NOW) is expected


@pytest.mark.parametrize(
    ("values", "tier"),
    [
        ({"spend_7d": 0.5}, Tier.MEDIUM),
        ({"spend_7d": 5e6}, Tier.MEDIUM),
        ({"spend_7d": 0.0}, Tier.LOW),
        ({"spend_7d": 0.0, "can_deliver": False}, Tier.EMPTY),
    ],
)
def test_spend_without_a_rate_is_neither_much_nor_little(
    values: dict[str, Any], tier: Tier
) -> None:
    assert tier_of(account(is_comparable=False, **values), SETTINGS) is tier


def test_no_cadence_is_shorter_than_what_counts_as_fresh() -> None:
    cadence = Cadences(Policy.HYBRID, RotationRules(fresh=HOUR)).of(account(**HIGH))
    assert (cadence.insights, cadence.entities) == (HOUR, 4 * HOUR)


# -- several accounts -----------------------------------------------------------------------------

SHORT = RotationRules(accounts_per_run=3, first_syncs_per_run=2)


@pytest.mark.parametrize(
    ("count", "rules", "days", "first_run"),
    [
        (3, SHORT, None, 2),
        (4, SHORT, 7, 3),
        (4, replace(SHORT, backfill_days=8), 7, 3),
        (4, replace(SHORT, backfill_days=7), None, 2),
    ],
)
def test_more_new_accounts_than_one_run_holds_are_read_breadth_first(
    count: int, rules: RotationRules, days: int | None, first_run: int
) -> None:
    fleet = [new(number, minutes=90 - number) for number in range(count)]
    choice = choose(fleet, NOW, rules=rules, limit=9)
    assert {pick.newest_days for pick in choice.picks} == {days}
    assert {pick.days for pick in choice.picks} == {f"last {days or rules.backfill_days} days"}
    assert choice.is_fill == (days is not None)
    (run,) = batches(choice.picks, 1, rules)
    assert (len(run.picks), run.newest_days) == (first_run, days)


def test_it_is_no_fill_while_anybody_waits_for_more_than_history() -> None:
    history = aged(1, minutes=31, **LOW, has_backfill_gap=True)
    assert choose([history], NOW, limit=9).is_fill
    assert not choose([history, aged(2, minutes=31, **HIGH)], NOW, limit=9).is_fill
    assert not choose([account(3)], NOW).is_fill


def test_a_run_has_as_many_accounts_as_are_allowed_it() -> None:
    picks = choose([aged(number, minutes=60, **HIGH) for number in range(9)], NOW, limit=9).picks
    assert [len(run.picks) for run in batches(picks, 2, SHORT)] == [3, 3]
    assert [len(run.picks) for run in batches(picks, 2, SHORT, most=4)] == [4, 4]
    assert [len(run.picks) for run in batches(picks, 1, SHORT, most=9)] == [9]
    (run,) = batches(picks[:2], 1)
    assert run.why == "\n".join(f"{pick.account_id}: {pick.why}" for pick in picks[:2])


def test_the_key_of_a_run_names_its_newest_turn() -> None:
    fleet = [aged(1, minutes=31, **HIGH), aged(2, minutes=40, **HIGH)]
    (run,) = batches(choose(fleet, NOW, limit=2).picks, 1)
    assert re.fullmatch("2_accounts:20260318T0859:[0-9a-f]{16}", run.run_key)


def test_what_finds_no_run_is_what_waits_least() -> None:
    fleet = [
        aged(1, minutes=300, **HIGH),
        aged(2, minutes=300, **HIGH | {"entities_synced_at": ago(220)}),
        # Found to be fresh since, which is why they wait for less.
        aged(3, minutes=300, last_attempt_at=ago(200), **HIGH),
        aged(4, minutes=300, last_attempt_at=ago(180), **HIGH),
    ]
    picks = choose(fleet, NOW, Policy.PRIORITY, limit=9).picks
    runs = batches(picks, 2, replace(SHORT, accounts_per_run=2))
    assert [(run.account_ids, run.parts, run.newest_days) for run in runs] == [
        (("act_1", "act_3"), BOTH, None),
        (("act_2",), NUMBERS, None),
    ]


def test_who_is_late_by_more_than_three_hours_has_half_of_the_places_and_never_the_first() -> None:
    crowd = [aged(number, minutes=200, **HIGH) for number in range(1, 7)]
    late = [aged(number, minutes=15 * 60 + number - 10, **LOW) for number in (10, 11, 12)]
    fleet = crowd + late
    # The first of them is late by three hours and not by more.
    assert picked(choose(fleet, NOW, limit=4)) == ["act_1", "act_12", "act_11", "act_2"]
    assert picked(choose(fleet, NOW, limit=3)) == ["act_1", "act_12", "act_2"]
    assert picked(choose(fleet, NOW, limit=1)) == ["act_1"]
    reasons = [pick.reason for pick in choose(fleet, NOW, limit=9).picks]
    assert reasons == ["priority", "fallback", "fallback", *["priority"] * 6]


def test_nobody_is_late_since_a_time_that_was_never_noted() -> None:
    never = replace(new(1), first_seen_at=None)
    noted = new(2, minutes=200)
    why = {
        pick.account_id: pick.why
        for pick in choose([aged(3, minutes=99999, **HIGH), never, noted], NOW, limit=6).picks
    }
    assert why["act_1"] == "first sync: the last 90 days, newest first"
    assert why["act_2"].startswith("3 h 20 min late: first sync")


@pytest.mark.parametrize(("limit", "expected"), [(9, 4), (2, 2)])
def test_new_accounts_are_not_what_the_limit_of_fallback_is_for(limit: int, expected: int) -> None:
    fleet = [
        *(aged(number, minutes=300, **HIGH) for number in (1, 2, 3)),
        new(4, minutes=9),
        aged(5, minutes=31, has_backfill_gap=True, **HIGH),
    ]
    rules = RotationRules(fallback_at_most=2)
    choice = choose(fleet, NOW, Policy.FALLBACK, rules, limit=limit)
    assert len(choice.picks) == expected
    assert choice.next_at == NOW


def test_days_of_long_ago_come_after_everybodys_newest_numbers() -> None:
    def order(minutes: float, policy: Policy) -> list[str]:
        history = aged(1, minutes=minutes, has_backfill_gap=True, **LOW)
        others = [aged(number, minutes=31, **HIGH) for number in (2, 3)]
        return picked(choose([history, *others], NOW, policy, limit=9))

    assert order(719, Policy.PRIORITY) == ["act_2", "act_3", "act_1"]
    assert order(720, Policy.PRIORITY) == ["act_1", "act_2", "act_3"], "its numbers are due too"
    assert order(210, Policy.HYBRID) == ["act_2", "act_3", "act_1"]
    assert order(211, Policy.HYBRID) == ["act_2", "act_1", "act_3"], "who is late has its place"


def test_the_next_turn_is_the_soonest_of_those_to_come() -> None:
    fleet = [synced(10, 10, **HIGH), aged(2, minutes=20, **HIGH), aged(3, minutes=15, **HIGH)]
    choice = choose(fleet, NOW)
    assert (choice.next_account, choice.next_at) == ("act_2", NOW + 10 * MINUTE)
    assert choose([], NOW).next_at is None


def test_a_first_sync_under_way_takes_a_place_of_the_ten() -> None:
    rules = RotationRules(first_syncs_at_once=2)
    fleet = [
        new(1, is_running=True),
        *(new(number, minutes=600) for number in (2, 3)),
        *(aged(number, minutes=45, **HIGH) for number in (4, 5)),
        aged(6, minutes=45, is_running=True, **HIGH),
    ]
    picks = picked(choose(fleet, NOW, Policy.PRIORITY, rules, limit=9))
    assert picks == ["act_2", "act_4", "act_5", "act_3"]


def test_a_turn_asked_for_again_after_a_quarter_of_an_hour_has_another_key() -> None:
    def turn_at(minutes: float) -> timedelta:
        (pick,) = choose([aged(1, minutes=30 + minutes, **HIGH)], NOW).picks
        return NOW - pick.turn_at

    assert [turn_at(minutes) / MINUTE for minutes in (0, 14, 15, 29, 31)] == [0, 14, 0, 14, 1]
