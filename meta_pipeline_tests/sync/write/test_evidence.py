"""The verdict on a day, whatever the numbers are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.sync.write.evidence import PATIENCE, DayOutcome, DayVerdict, Evidence, judge
from meta_pipeline.warehouse import Totals

COUNTS = st.integers(0, 1_000)
AMOUNTS = st.integers(0, 10_000).map(lambda cents: Decimal(cents) / 100)
TOTALS = st.builds(Totals, st.integers(1, 20), AMOUNTS, COUNTS, COUNTS)
READS = st.integers(0, 20)


def plus(one: Totals, other: Totals) -> Totals:
    return one - (Totals() - other)


PROVEN, CONTRADICTED = DayOutcome.PROVEN, DayOutcome.CONTRADICTED
DOUBTFUL, OPEN = DayOutcome.DOUBTFUL, DayOutcome.OPEN
NOTHING = Totals()
THREE = Totals(3, Decimal("30.00"), 3_000, 30)
"""What Meta returned of the day, where nothing else is said."""
ONE = Totals(1, Decimal("10.00"), 1_000, 10)


def day(
    account: Totals | None, returned: Totals = THREE, gone: Totals = NOTHING, **facts: Any
) -> Evidence:
    """A day of which some rows came and some that are stored did not."""
    return Evidence(plus(returned, gone), gone, account, **facts)


def says(spend: str = "30.00", impressions: int = 3_000, clicks: int = 30) -> Totals:
    """The account's own row; as it is, the sum of the three."""
    return Totals(1, Decimal(spend), impressions, clicks)


# -- whatever the numbers are ----------------------------------------------------------------------


@given(TOTALS, TOTALS, READS, st.booleans())
def test_rows_that_are_the_accounts_sum_are_proven_and_the_others_go(
    returned: Totals, gone: Totals, reads: int, settled: bool
) -> None:
    day = Evidence(
        plus(returned, gone), gone, returned, together=True, settled=settled, unproven_reads=reads
    )
    assert judge(day).outcome is DayOutcome.PROVEN
    assert judge(day).removes


@given(TOTALS, TOTALS, st.one_of(st.none(), TOTALS), READS, st.booleans(), st.booleans())
def test_without_the_accounts_row_of_the_same_time_nothing_goes(
    returned: Totals, gone: Totals, account: Totals | None, reads: int, over: bool, settled: bool
) -> None:
    day = Evidence(
        plus(returned, gone),
        gone,
        account,
        comparable=over,
        settled=settled,
        unproven_reads=reads,
    )
    verdict = judge(day)
    assert not verdict.removes
    assert verdict.outcome is not DayOutcome.PROVEN


@given(TOTALS, TOTALS, TOTALS, st.integers(0, PATIENCE - 1))
def test_a_contradiction_removes_nothing(
    returned: Totals, gone: Totals, account: Totals, reads: int
) -> None:
    day = Evidence(plus(returned, gone), gone, account, together=True, unproven_reads=reads)
    verdict = judge(day)
    if verdict.outcome is not DayOutcome.PROVEN:
        assert verdict.outcome is DayOutcome.CONTRADICTED
        assert not verdict.removes
        assert verdict.reason


@given(TOTALS, TOTALS, READS, st.booleans())
def test_less_than_the_accounts_row_is_never_proven(
    returned: Totals, missing: Totals, reads: int, settled: bool
) -> None:
    if missing.impressions == 0:
        return
    account = plus(returned, missing)
    for together in (True, False):
        day = Evidence(
            returned,
            Totals(),
            account,
            together=together,
            comparable=True,
            settled=settled,
            unproven_reads=reads,
        )
        assert judge(day).outcome in (DayOutcome.CONTRADICTED, DayOutcome.DOUBTFUL)


@given(TOTALS, st.one_of(st.none(), TOTALS, st.just(Totals())), st.integers(0, PATIENCE - 1))
def test_silence_removes_nothing(stored: Totals, account: Totals | None, reads: int) -> None:
    for additive in (("spend", "impressions"), ()):
        day = Evidence(
            stored,
            stored,
            account,
            additive=additive,
            together=True,
            is_silent=True,
            unproven_reads=reads,
        )
        assert judge(day).outcome is DayOutcome.CONTRADICTED
        assert not judge(day).removes


@given(TOTALS, st.integers(PATIENCE, PATIENCE + 4), st.sampled_from([("spend", "impressions"), ()]))
def test_silence_that_lasts_is_said_when_it_is_believed(
    stored: Totals, reads: int, additive: tuple[str, ...]
) -> None:
    silent = Evidence(
        stored,
        stored,
        Totals(),
        additive=additive,
        together=True,
        is_silent=True,
        unproven_reads=reads,
    )
    if not stored.rows:
        return
    assert judge(silent).removes
    assert judge(silent).is_told
    spent = replace(silent, account=Totals(1, Decimal(5), 5, 5))
    assert judge(spent).removes is (not additive), "the account's row still has it"


@given(st.sampled_from([Totals(), Totals(1, Decimal(9), 9, 9), None]))
def test_a_first_answer_without_rows_is_believed_where_nothing_can_prove_it(
    account: Totals | None,
) -> None:
    verdict = judge(Evidence(Totals(), Totals(), account, additive=(), is_silent=True))
    assert (verdict.outcome, verdict.removes) == (DayOutcome.PROVEN, False)


@given(st.integers(1, 1_000), st.one_of(st.just(Totals()), TOTALS), READS, st.booleans())
def test_no_row_at_all_is_never_believed_where_the_account_delivered(
    delivered: int, stored: Totals, reads: int, silent: bool
) -> None:
    """Rows that do not add up are none only of a day without delivery; not even patience helps."""
    day = Evidence(
        stored,
        stored,
        None,
        additive=(),
        is_silent=silent,
        unproven_reads=reads,
        delivered=delivered,
    )
    assert judge(day).outcome is DayOutcome.CONTRADICTED
    assert not judge(day).removes
    unread = judge(replace(day, delivered=None, settled=True, is_silent=False))
    assert unread.outcome is DayOutcome.DOUBTFUL, "the account's own row is asked for first"
    idle = judge(replace(day, delivered=0, is_silent=False))
    assert idle.outcome is DayOutcome.PROVEN


@given(TOTALS, TOTALS)
def test_rows_that_are_gone_and_still_counted_stay_in_the_end(
    returned: Totals, gone: Totals
) -> None:
    stored = plus(returned, gone)
    if gone.impressions == 0:
        return
    verdicts = [
        judge(Evidence(stored, gone, stored, together=True, unproven_reads=reads))
        for reads in range(PATIENCE + 2)
    ]
    assert not any(verdict.removes for verdict in verdicts)
    assert [verdict.outcome for verdict in verdicts] == [
        *[DayOutcome.CONTRADICTED] * PATIENCE,
        *[DayOutcome.PROVEN] * 2,
    ]


@given(st.lists(st.integers(0, 99_999), min_size=1, max_size=50))
def test_amounts_may_be_rounded_once_in_each_row(tenths: list[int]) -> None:
    """Tenths of a cent, as Meta counts them, in cents, as it tells them."""
    rows = sum((round(Decimal(one) / 1000, 2) for one in tenths), Decimal(0))
    account = Totals(1, round(Decimal(sum(tenths)) / 1000, 2), 5, 5)
    day = Evidence(Totals(len(tenths), rows, 5, 5), Totals(), account, together=True)
    assert judge(day).outcome is DayOutcome.PROVEN


@given(TOTALS, TOTALS, st.integers(0, 6))
def test_rows_that_did_not_come_again_are_known_only_as_those_that_were_kept(
    returned: Totals, gone: Totals, kept_rows: int
) -> None:
    """As many rows as the day had before say nothing: some may be new."""
    young = Evidence(plus(returned, gone), gone, None, kept_rows=kept_rows)
    known = gone.rows == kept_rows
    assert judge(young).outcome is (DayOutcome.OPEN if known else DayOutcome.DOUBTFUL)


# -- rule by rule, on both sides of each line ------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "outcome"),
    [
        (says(), PROVEN),
        (says("30.02"), PROVEN),
        (says("29.98"), PROVEN),
        (says("30.03"), CONTRADICTED),
        (says("29.97"), CONTRADICTED),
        (says(impressions=3_001), CONTRADICTED),
        (says(impressions=2_999), CONTRADICTED),
        (says(clicks=31), CONTRADICTED),
    ],
)
def test_counts_are_equal_and_amounts_half_a_cent_a_row_apart(
    account: Totals, outcome: DayOutcome
) -> None:
    """Four rows are rounded: the three and the account's own."""
    verdict = judge(day(account, together=True))
    assert (verdict.outcome, verdict.removes) == (outcome, False)


def test_half_a_unit_is_half_a_yen_where_there_are_no_cents_and_nothing_where_no_row_is() -> None:
    yen: dict[str, Any] = {"together": True, "half_a_unit": Decimal("0.5")}
    assert judge(day(says("32"), **yen)).outcome is PROVEN
    assert judge(day(says("33"), **yen)).outcome is CONTRADICTED
    assert judge(day(says("0.01", 0, 0), NOTHING, together=True)).outcome is CONTRADICTED


def test_only_what_adds_up_is_compared() -> None:
    """Cells of a breakdown have no clicks of the day."""
    cells = day(says(clicks=99), together=True, additive=("spend", "impressions"))
    assert judge(cells) == DayVerdict(PROVEN)


@pytest.mark.parametrize(
    ("gone", "facts", "outcome"),
    [
        (NOTHING, {"comparable": True}, PROVEN),
        (NOTHING, {}, OPEN),
        (ONE, {"comparable": True}, DOUBTFUL),
        (ONE, {}, DOUBTFUL),
    ],
)
def test_equal_sums_of_different_times_prove_a_day_that_was_over_and_take_no_row(
    gone: Totals, facts: dict[str, Any], outcome: DayOutcome
) -> None:
    verdict = judge(day(says(), gone=gone, **facts))
    assert (verdict.outcome, verdict.removes) == (outcome, False)


@pytest.mark.parametrize(
    ("account", "facts", "outcome"),
    [
        (None, {}, OPEN),
        (None, {"settled": True}, DOUBTFUL),
        (None, {"unproven_reads": 1}, DOUBTFUL),
        (None, {"unproven_reads": 1, "waits": True}, OPEN),
        (None, {"gone": ONE}, DOUBTFUL),
        (None, {"gone": ONE, "kept_rows": 1}, OPEN),
        (None, {"gone": ONE, "kept_rows": 2}, DOUBTFUL),
        (None, {"returned": NOTHING, "gone": ONE, "kept_rows": 1}, DOUBTFUL),
        (says(impressions=3_001), {}, DOUBTFUL),
        (says(impressions=3_001), {"account_first": False}, OPEN),
        (says(impressions=2_999), {}, OPEN),
        (says("30.02"), {}, OPEN),
        (says("30.03"), {}, DOUBTFUL),
        (says("29.00"), {}, OPEN),
        (says("0.01", 0, 0), {"returned": NOTHING}, DOUBTFUL),
    ],
)
def test_the_accounts_row_is_asked_for_where_rows_are_missing_or_less_than_it_said_or_it_is_time(
    account: Totals | None, facts: dict[str, Any], outcome: DayOutcome
) -> None:
    verdict = judge(day(account, **facts))
    assert (verdict.outcome, verdict.removes) == (outcome, False)


@pytest.mark.parametrize(
    ("account", "outcome"),
    [
        (says(), PROVEN),
        (says(impressions=3_150), OPEN),
        (says(impressions=3_158), CONTRADICTED),
        (says(impressions=2_850), OPEN),
        (says(impressions=2_849), CONTRADICTED),
        (says("31.60"), OPEN),
        (says("31.61"), CONTRADICTED),
        (says("31.61", 3_100), CONTRADICTED),
        (says(clicks=99), OPEN),
    ],
)
def test_what_may_have_come_between_two_calls_contradicts_nothing_and_proves_nothing(
    account: Totals, outcome: DayOutcome
) -> None:
    """A twentieth of the larger one and, of amounts, the rounding; clicks come when they come."""
    moving = day(account, together=True, moves_pct=5)
    assert judge(moving).outcome is outcome
    assert not judge(replace(moving, unproven_reads=PATIENCE)).removes


def test_amounts_that_are_rounded_to_nothing_are_near_while_the_day_moves() -> None:
    """A thousand cells of 0.4 yen each, and 400 yen in all."""
    cells, half_a_yen = Totals(1_000, Decimal(0), 10_000, 0), Decimal("0.5")
    moving = day(says("400", 10_100), cells, together=True, moves_pct=5, half_a_unit=half_a_yen)
    assert judge(moving).outcome is OPEN
    assert judge(replace(moving, half_a_unit=Decimal("0.005"))).outcome is CONTRADICTED


def test_the_first_rows_may_come_between_two_calls_only_when_the_day_has_just_begun() -> None:
    begun = day(says("0.00", 0, 2), NOTHING, together=True, moves_pct=100)
    assert judge(begun).outcome is OPEN
    assert judge(replace(begun, account=says())).outcome is OPEN
    assert judge(replace(begun, moves_pct=99)).outcome is CONTRADICTED


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"unproven_reads": 2}, CONTRADICTED),
        ({"unproven_reads": 3}, PROVEN),
        ({"unproven_reads": 3, "gone": THREE - ONE, "returned": ONE}, PROVEN),
        ({"kept_rows": 1}, PROVEN),
        ({"kept_rows": 2}, CONTRADICTED),
        ({"unproven_reads": 9, "gone": THREE, "returned": NOTHING}, CONTRADICTED),
        ({"kept_rows": 3, "gone": THREE, "returned": NOTHING}, CONTRADICTED),
        ({"unproven_reads": 9, "gone": NOTHING, "returned": plus(THREE, THREE)}, CONTRADICTED),
    ],
)
def test_rows_that_the_account_still_counts_stay_after_the_third_reading_if_others_come(
    facts: dict[str, Any], outcome: DayOutcome
) -> None:
    missing = {"returned": THREE - ONE, "gone": ONE} | facts
    assert judge(day(says(), together=True, **missing)).outcome is outcome
    assert not judge(day(says(), together=True, **missing)).removes


SEEN = Totals(1, Decimal(0), 1_000, 0)
"""A row that was only looked at: spend and clicks are the same without it."""


@pytest.mark.parametrize(
    ("account", "gone", "removes"),
    [
        (says(impressions=3_499), SEEN, True),
        (says(impressions=3_500), SEEN, False),
        (says(impressions=3_501), SEEN, False),
        (says("30.00", 3_499, 31), Totals(1, Decimal(0), 1_000, 1), False),
        (says("34.99", 3_499, 34), ONE, True),
        (says("35.00", 3_499, 35), ONE, True),
        (says("35.01", 3_499, 34), ONE, False),
        (says(impressions=3_499), Totals(1), False),
    ],
)
def test_rows_beyond_the_accounts_own_go_if_the_others_are_nearer_to_it(
    account: Totals, gone: Totals, removes: bool
) -> None:
    """Nearer in one number at least, and farther in none; the day stays contradicted."""
    beyond = day(account, gone=gone, together=True, unproven_reads=3)
    assert (judge(beyond).outcome, judge(beyond).removes) == (CONTRADICTED, removes)
    assert not judge(replace(beyond, unproven_reads=2)).removes, "this does not last yet"
    assert not judge(replace(beyond, unproven_reads=2, kept_rows=1)).removes, "nor does this"


@given(TOTALS, TOTALS, READS, st.integers(0, 20))
def test_an_accounts_row_that_did_not_come_takes_no_row_while_others_come(
    returned: Totals, gone: Totals, reads: int, kept_rows: int
) -> None:
    """It may have been left out as well, and rows that Meta no longer has never come again."""
    silent = day(NOTHING, returned, gone, together=True, unproven_reads=reads, kept_rows=kept_rows)
    assert silent.returned.rows > 0
    assert not judge(silent).removes or judge(silent).outcome is PROVEN


def test_a_day_that_lost_all_its_rows_keeps_them_while_the_account_has_any() -> None:
    """Even if nothing is nearer to what the account's row says than all that is stored."""
    lost = day(says("1.00", 100, 1), NOTHING, THREE, together=True, unproven_reads=9)
    assert (judge(lost).outcome, judge(lost).removes) == (CONTRADICTED, False)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({}, PROVEN),
        ({"gone": ONE}, PROVEN),
        ({"returned": NOTHING}, PROVEN),
        ({"returned": NOTHING, "delivered": 1}, CONTRADICTED),
        ({"returned": NOTHING, "delivered": 1, "may_be_empty": True}, PROVEN),
        ({"returned": NOTHING, "delivered": 1, "may_be_empty": True, "gone": ONE}, CONTRADICTED),
        ({"returned": NOTHING, "delivered": None}, OPEN),
        ({"returned": NOTHING, "delivered": None, "settled": True}, DOUBTFUL),
        ({"delivered": 1}, PROVEN),
    ],
)
def test_rows_that_do_not_add_up_are_believed_as_they_come_and_none_where_nothing_was_delivered(
    facts: dict[str, Any], outcome: DayOutcome
) -> None:
    verdict = judge(day(None, additive=(), **facts))
    assert (verdict.outcome, verdict.removes) == (outcome, outcome is PROVEN and "gone" in facts)


def test_cells_of_older_days_may_be_empty_but_not_short() -> None:
    old = day(says(), NOTHING, together=True, may_be_empty=True)
    assert judge(old) == DayVerdict(PROVEN)
    assert judge(replace(old, stored=THREE - ONE)).outcome is CONTRADICTED
    assert judge(replace(old, stored=ONE, gone=ONE)).outcome is CONTRADICTED


# -- what people are told --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (
            day(says("1250.5", 13_000, 31), together=True),
            "3 rows with 30.00 of 1,250.50 spent, 3,000 of 13,000 impressions, 30 of 31 clicks",
        ),
        (
            day(
                says("12.00", 1_000, 9), ONE, ONE, together=True, additive=("spend", "impressions")
            ),
            (
                "1 row with 10.00 of 12.00 spent, 1,000 of 1,000 impressions; "
                "1 stored row did not come again"
            ),
        ),
        (day(None, settled=True), "not compared with the account's own row yet"),
        (
            day(None, gone=THREE),
            "3 stored rows did not come again; not compared with the account's own row yet",
        ),
        (
            day(None, NOTHING, additive=(), delivered=1_234),
            "0 rows, and the account's own have 1,234 impressions",
        ),
        (
            day(NOTHING, NOTHING, ONE, together=True, is_silent=True, unproven_reads=2),
            "Meta answered without a single row; the day has 1 stored row",
        ),
    ],
)
def test_what_is_not_proven_says_what_is_missing(evidence: Evidence, verdict: str) -> None:
    assert judge(evidence).reason == verdict
    assert not judge(evidence).is_told


def test_rows_that_go_by_silence_alone_are_told_and_those_that_others_outlive_are_not() -> None:
    silent = day(NOTHING, NOTHING, THREE, together=True, is_silent=True, unproven_reads=3)
    why = "3 stored rows removed, all of the day: not one came in 4 readings"
    assert judge(silent) == DayVerdict(PROVEN, removes=True, reason=why)
    assert judge(silent).is_told
    for quiet in (
        day(says(), gone=ONE, together=True, unproven_reads=3),
        day(NOTHING, NOTHING, THREE, together=True, unproven_reads=3),
    ):
        assert judge(quiet) == DayVerdict(PROVEN, removes=True)
        assert not judge(quiet).is_told
    unread = replace(silent, account=None)
    assert (judge(unread).outcome, judge(unread).removes) == (DOUBTFUL, False)
    nothing_stored = day(NOTHING, NOTHING, together=True, is_silent=True)
    assert judge(nothing_stored) == DayVerdict(PROVEN)
