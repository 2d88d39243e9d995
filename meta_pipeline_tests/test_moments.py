"""A time in the future is not fresh, wherever it is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.fleet import AccountState, Policy, choose
from meta_pipeline.moments import LONGEST_WAIT, SKEW, awaited, past

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPANS = st.timedeltas(-timedelta(days=4_000), timedelta(days=4_000))


@given(SPANS)
def test_what_was_done_in_the_future_was_not_done(span: timedelta) -> None:
    found = past(NOW + span, NOW)
    assert (found is None) is (span > SKEW)
    assert found is None or found <= NOW


@given(SPANS)
def test_nobody_waits_longer_than_any_limit_lasts(span: timedelta) -> None:
    assert (awaited(NOW + span, NOW) is None) is (span > LONGEST_WAIT)


WRONG = st.timedeltas(SKEW + timedelta(seconds=1), timedelta(days=4_000)).map(NOW.__add__)
TIMES = (
    "entities_synced_at",
    "insights_synced_at",
    "last_attempt_at",
    "first_seen_at",
    "not_before",
)


@given(
    st.fixed_dictionaries(dict.fromkeys(TIMES, WRONG)),
    st.sets(st.sampled_from(TIMES), min_size=1),
    st.sampled_from(list(Policy)),
    st.sampled_from(["success", "partial", "fail", "throttled", "running"]),
)
def test_no_time_in_the_future_holds_an_account_back(
    times: dict[str, datetime], wrong: set[str], policy: Policy, status: str
) -> None:
    """With all its times sound the account is long due; a wrong one changes that never."""
    sound: dict[str, Any] = dict.fromkeys(TIMES[:4], NOW - timedelta(days=3))
    wrong_times: dict[str, Any] = {name: times[name] for name in wrong}
    if "not_before" in wrong:
        wrong_times["not_before"] += LONGEST_WAIT
    state = AccountState(
        account_id="act_1", last_status=status, failures=1, **(sound | wrong_times)
    )
    assert [pick.account_id for pick in choose([state], NOW, policy).picks] == ["act_1"]
