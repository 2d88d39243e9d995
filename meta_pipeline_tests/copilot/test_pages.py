from __future__ import annotations

from meta_pipeline.copilot.answer import Answer, Outcome, Provenance
from meta_pipeline.copilot.cursor import cut
from meta_pipeline.metrics import MOST_DAYS


def page(accounts: int) -> Provenance:
    """What a page says of so many accounts of 100 settling days each."""
    days = [f"2026-{month:02}-{day:02}" for month in range(1, 5) for day in range(1, 26)]
    settling = {f"act_{n}": days for n in range(accounts)}
    about = Provenance(settling_days=settling, missing_days={"act_1": days[:3]})
    answer = Answer(outcome=Outcome.ANSWERED, rows=[{"spend": 1}] * 300, provenance=about)
    found = cut(answer, {}, None, 200).provenance
    assert found is not None
    assert found.missing_days == about.missing_days
    return found


def test_a_page_names_a_thousand_days_and_counts_the_others() -> None:
    found = page(4_000)
    assert sum(map(len, found.settling_days.values())) == MOST_DAYS
    assert found.more_days == {"settling_days": 400_000 - MOST_DAYS}
    assert len(found.model_dump_json()) < 20_000


def test_a_page_names_all_days_where_they_are_few() -> None:
    found = page(10)
    assert sum(map(len, found.settling_days.values())) == MOST_DAYS
    assert found.more_days == {}
