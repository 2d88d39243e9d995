"""The verdict on a day, whatever the numbers are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.sync.write.evidence import PATIENCE, DayOutcome, Evidence, judge
from meta_pipeline.warehouse import Totals

COUNTS = st.integers(0, 1_000)
AMOUNTS = st.integers(0, 10_000).map(lambda cents: Decimal(cents) / 100)
TOTALS = st.builds(Totals, st.integers(1, 20), AMOUNTS, COUNTS, COUNTS)
READS = st.integers(0, 20)


def plus(one: Totals, other: Totals) -> Totals:
    return one - (Totals() - other)


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
