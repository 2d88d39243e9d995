"""No day is believed without its proof, and a complete re-read replaces what it re-reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.simulator import AccountSpec, Fault
from meta_pipeline.sync import Part, PlanPolicy, Status
from meta_pipeline.sync.days import pause
from meta_pipeline.sync.plan.policy import PageSizes
from meta_pipeline_tests.sync.lab import Lab, lab

NUMBERS = frozenset({Part.INSIGHTS})
SPEC = AccountSpec("Zweifelhaft", 3, 4, 8, (2, 3, 5), zone="Europe/Berlin", currency="EUR")
POLICY = PlanPolicy(
    backfill_days=9, breakdowns=(("age", "gender"),), levels=("ad", "adset", "campaign")
)
EXTRAS = frozenset({Part.INSIGHTS, Part.HOURLY, Part.BREAKDOWNS})
DATASETS = {
    "insights_ad": ("meta_insights", "entity_type = 'ad'"),
    "insights_adset": ("meta_insights", "entity_type = 'adset'"),
    "insights_campaign": ("meta_insights", "entity_type = 'campaign'"),
    "insights_hourly": ("meta_insights_hourly", "true"),
    "breakdown:age,gender": ("meta_insights_breakdown", "true"),
}


@pytest.fixture
def found(database_url: str) -> Any:
    with lab(database_url, SPEC, policy=POLICY, parallel=2) as one:
        yield one


def ledger(found: Lab, dataset: str) -> dict[date, dict[str, Any]]:
    rows = found.query("SELECT * FROM meta_ads.sync_windows WHERE dataset = %s", dataset)
    return {row["date_start"]: row for row in rows}


def ads(found: Lab) -> list[str]:
    return [row["entity_id"] for row in found.query(
        "SELECT entity_id FROM meta_ads.meta_insights WHERE entity_type = 'ad' "
        "GROUP BY 1 ORDER BY sum(spend) DESC"
    )]  # fmt: skip


def by_day(found: Lab, dataset: str) -> dict[date, tuple[Decimal, int]]:
    table, condition = DATASETS[dataset]
    return {
        row["date_start"]: (row["spend"], int(row["impressions"]))
        for row in found.query(
            f"SELECT date_start, sum(spend) AS spend, sum(impressions) AS impressions "
            f"FROM meta_ads.{table} WHERE {condition} GROUP BY 1"
        )
    }


def account_rows(found: Lab) -> dict[date, tuple[Decimal, int]]:
    today = found.today()
    rows = found.expected_insights(today - timedelta(days=90), today, "account")
    return {
        date.fromisoformat(day): (Decimal(row["spend"]), int(row["impressions"]))
        for (_, day), row in rows.items()
    }


# -- an answer that is not true --------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.no_rows, Fault.lost_rows], ids=["no rows", "lost rows"])
def test_an_answer_that_the_accounts_row_contradicts_is_not_believed(
    database_url: str, fault: Callable[[], Fault]
) -> None:
    """Old days too: none of them is final, all are due again, and the sync says so."""
    policy = PlanPolicy(backfill_days=40, window_days=40)
    with lab(database_url, SPEC, policy=policy, parallel=1) as found:
        found.sim.fail("GET", "/insights", until=lambda r: r.text("level") != "ad", with_=fault())
        record = found.sync()

        assert record.status is Status.PARTIAL
        assert any("insights_ad" in one and "not proven" in one for one in map(str, record.missing))
        days = ledger(found, "insights_ad")
        contradicted = {day for day, row in days.items() if row["incomplete"]}
        stored = by_day(found, "insights_ad")
        assert contradicted == {d for d, row in account_rows(found).items()
                                if d in days and stored.get(d) != row}  # fmt: skip
        assert len(contradicted) > 10
        assert not any(days[day]["is_final"] for day in contradicted)
        assert {row["unproven_reads"] for day, row in days.items() if day in contradicted} == {1}

        found.sim.faults.clear()
        found.advance(minutes=61)
        healed = found.sync()

        assert healed.status is Status.SUCCESS, healed.missing
        found.assert_insights(found.today() - timedelta(days=39), found.today())
        days = ledger(found, "insights_ad")
        assert not any(row["incomplete"] or row["unproven_reads"] for row in days.values())
        assert sum(row["is_final"] for row in days.values()) >= 10


@pytest.mark.parametrize("fault", [Fault.no_rows, Fault.lost_rows], ids=["no rows", "lost rows"])
def test_a_false_answer_wipes_nothing_that_is_stored(
    found: Lab, fault: Callable[[], Fault]
) -> None:
    found.sync(parts=EXTRAS)
    before = {dataset: by_day(found, dataset) for dataset in DATASETS}
    found.sim.fail("GET", "/insights", until=lambda r: r.text("level") == "account", with_=fault())
    record = found.sync(parts=EXTRAS, force=True)

    assert record.status is Status.PARTIAL
    for dataset in DATASETS:
        assert any(dataset in one for one in map(str, record.missing)), record.missing
        assert by_day(found, dataset) == before[dataset]
    found.sim.faults.clear()
    found.advance(minutes=61)
    assert found.sync(parts=EXTRAS).status is Status.SUCCESS
    for dataset in DATASETS:
        stored = by_day(found, dataset)
        assert stored == {day: row for day, row in account_rows(found).items() if day in stored}


@pytest.mark.parametrize("every", [1, 2], ids=["empty", "short"])
def test_days_that_come_back_empty_or_short_are_whole_again_later(found: Lab, every: int) -> None:
    """Every table of them, while the totals of the account stand: read first so, and re-read so."""
    today = found.today()
    known, new = today - timedelta(days=6), today - timedelta(days=2)
    assert found.sync(parts=EXTRAS, until=known).status is Status.SUCCESS
    before = {dataset: by_day(found, dataset) for dataset in DATASETS}
    found.sim.fail(
        "GET",
        "/insights",
        until=lambda request: request.text("level") == "account",
        with_=Fault.lost_days([str(known), str(new)], every=every),
    )
    record = found.sync(parts=EXTRAS, force=True)

    assert record.status is Status.PARTIAL
    totals = account_rows(found)
    for dataset in DATASETS:
        stored, days = by_day(found, dataset), ledger(found, dataset)
        assert stored[known] == before[dataset][known] == totals[known], "nothing is wiped"
        short = {day for day, row in days.items() if row["incomplete"]}
        assert short <= {known, new}
        if every == 1 or dataset == "insights_ad":  # a day of a single campaign cannot be short
            assert short == {known, new}
        said = any(dataset in one for one in map(str, record.missing))
        assert said == bool(short), record.missing
        assert (stored.get(new, (Decimal(0), 0)) < totals[new]) == (new in short)
        others = stored.keys() - {new}
        assert {day: stored[day] for day in others} == {day: totals[day] for day in others}
    found.sim.faults.clear()
    found.advance(minutes=61)
    healed = found.sync(parts=EXTRAS)
    assert healed.status is Status.SUCCESS, healed.missing
    for dataset in DATASETS:
        stored = by_day(found, dataset)
        assert {day: stored[day] for day in (known, new)} == {d: totals[d] for d in (known, new)}
        assert not any(row["incomplete"] for row in ledger(found, dataset).values())


def test_rows_that_are_withheld_are_there_again_once_they_are_given_back(found: Lab) -> None:
    found.sync(parts=EXTRAS)
    before = {dataset: by_day(found, dataset) for dataset in DATASETS}
    ad, day = ads(found)[0], found.today() - timedelta(days=2)
    found.world.withhold(ad, day, day)
    assert found.sync(parts=EXTRAS, force=True).status is Status.PARTIAL
    # The rows of its campaign and ad set came, smaller than they are.
    for dataset in before.keys() - {"insights_campaign", "insights_adset"}:
        assert by_day(found, dataset) == before[dataset], "nothing is wiped"
    found.world.give_back(ad)
    found.advance(minutes=61)
    assert found.sync(parts=EXTRAS).status is Status.SUCCESS
    assert {name: by_day(found, name)[day] for name in before} == {
        name: rows[day] for name, rows in before.items()
    }
    assert not any(row["incomplete"] for name in DATASETS for row in ledger(found, name).values())


def test_silence_at_every_level_wipes_nothing(found: Lab) -> None:
    found.sync(parts=EXTRAS)
    before = {dataset: by_day(found, dataset) for dataset in DATASETS}
    found.sim.fail("GET", "/insights", times=None, with_=Fault.no_rows())
    found.advance(hours=2)
    assert found.sync(parts=EXTRAS, force=True).status is not Status.SUCCESS
    found.sim.faults.clear()
    assert {dataset: by_day(found, dataset) for dataset in DATASETS} == before
    found.advance(minutes=61)
    assert found.sync(parts=EXTRAS).status is Status.SUCCESS


def test_silence_that_lasts_at_every_level_is_believed_and_said(found: Lab) -> None:
    found.sync(parts=NUMBERS)
    before = by_day(found, "insights_ad")
    found.sim.fail("GET", "/insights", times=None, with_=Fault.no_rows())
    for _ in range(3):
        found.advance(hours=8)
        record = found.sync(parts=NUMBERS, force=True)
        assert record.status is not Status.SUCCESS
        assert by_day(found, "insights_ad") == before
    # The account's row that came first is judged by the rows that went after it, once more.
    for _ in range(3):
        found.advance(hours=8)
        record = found.sync(parts=NUMBERS, force=True)
        if not by_day(found, "insights_ad"):
            break

    gone = before.keys() - by_day(found, "insights_ad").keys()
    assert gone == before.keys()
    assert record.status is not Status.SUCCESS
    assert f"{len(gone)} days emptied" in (record.error_summary or "")
    said = found.query(
        "SELECT value FROM meta_ads.unrecognized_values "
        "WHERE source = 'insights_ad' AND reason = 'emptied'"
    )
    assert {row["value"] for row in said} == {str(day) for day in gone}
    for day in gone:
        (change,) = found.query(
            "SELECT spend_before FROM meta_ads.insights_changes WHERE rows_removed > 0 "
            "AND entity_type = 'ad' AND date_start = %s",
            day,
        )
        assert change["spend_before"] == before[day][0]
    found.sim.faults.clear()
    found.advance(hours=8)
    found.sync(parts=NUMBERS, force=True)
    assert by_day(found, "insights_ad").keys() >= before.keys(), "what comes back is stored again"


def test_an_account_row_that_does_not_come_proves_nothing(found: Lab) -> None:
    found.sim.fail(
        "GET", "/insights", until=lambda r: r.text("level") != "account", with_=Fault.no_rows()
    )
    record = found.sync(parts=NUMBERS)
    assert record.status is Status.PARTIAL
    assert not any(row["is_final"] for row in ledger(found, "insights_ad").values() if row["rows"])
    found.sim.faults.clear()
    found.advance(minutes=61)
    assert found.sync(parts=NUMBERS).status is Status.SUCCESS
    found.assert_insights(found.today() - timedelta(days=8), found.today(), "account")


@pytest.mark.slow
def test_spend_that_only_the_account_has_is_marked_and_asked_for_ever_more_seldom(
    database_url: str,
) -> None:
    """Ads that are gone: a difference for ever, and no reason to burn quota or to call for ever."""
    policy = PlanPolicy(backfill_days=45)
    with lab(database_url, SPEC, policy=policy, parallel=2) as found:
        found.sync(parts=NUMBERS)
        gone, day = ads(found)[0], found.today() - timedelta(days=40)
        since = day - timedelta(days=1)
        found.world.withhold(gone, since, day)
        delete = "DELETE FROM meta_ads.meta_insights WHERE entity_id = %s AND date_start >= %s"
        found.query(f"{delete} AND date_start <= %s RETURNING 1", gone, since, day)
        assert found.sync(parts=NUMBERS, force=True).status is Status.PARTIAL

        statuses = []
        for reads in range(1, 12):
            row = ledger(found, "insights_ad")[day]
            assert row["unproven_reads"] == reads
            assert row["incomplete"]
            assert not row["is_final"]
            wait = pause(reads).total_seconds()
            found.advance(seconds=wait * 0.8)
            assert found.sync(parts=NUMBERS).status is Status.SUCCESS, "not read, not told"
            assert ledger(found, "insights_ad")[day]["fetched_at"] == row["fetched_at"]
            found.advance(seconds=wait * 0.2)
            statuses.append(found.sync(parts=NUMBERS).status)
        assert statuses == [Status.PARTIAL] * 6 + [Status.SUCCESS] * 5, "what lasts is known"


def test_a_day_that_moves_between_two_calls_is_not_doubted(database_url: str) -> None:
    """Meta counts it anew every quarter of an hour: of a young day that is much of it, or all."""
    midnight = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
    with lab(database_url, SPEC, start=midnight, parallel=1) as found:
        moved = 0
        for minute in (14, 29, 59, 119, 239, 719, 1_319):
            found.clock.advance(
                (midnight + timedelta(minutes=minute) - found.clock.now()).total_seconds()
            )
            today = found.today()
            found.sim.faults.clear()
            found.sim.fail("GET", "/insights", times=None, with_=Fault.slow(100))
            record = found.sync(parts=NUMBERS, since=today, until=today, force=True)
            assert record.status is Status.SUCCESS, (minute, record.missing)
            assert not ledger(found, "insights_ad")[today]["is_final"]
            moved += by_day(found, "insights_ad").get(today) != account_rows(found).get(today)
        assert moved > 2, "each sync saw the numbers move"


@pytest.mark.parametrize("currency", ["EUR", "JPY"])
def test_amounts_that_are_rounded_row_by_row_are_proven(database_url: str, currency: str) -> None:
    """To cents, or to whole yen: no day is in doubt, and no answer and no comparison says so."""
    spec = AccountSpec("Gerundet", 3, 4, 8, (2, 3, 5), zone="Asia/Tokyo", currency=currency)
    policy = PlanPolicy(backfill_days=33, breakdowns=(("age", "gender"),), levels=POLICY.levels)
    with lab(database_url, spec, policy=policy, parallel=1) as found:
        found.sim.fail(
            "GET", "/insights", until=lambda request: request.text("level") == "account",
            with_=Fault("rounded amounts", alter=rounded_amounts),
        )  # fmt: skip
        record = found.sync(parts=EXTRAS)
        assert record.status is Status.SUCCESS, record.missing
        today, totals = found.today(), account_rows(found)
        stored = by_day(found, "insights_ad")
        assert sum(stored[day][0] != totals[day][0] for day in stored) > 20
        for dataset in ("insights_ad", "insights_adset", "insights_hourly"):
            assert any(row["is_final"] for row in ledger(found, dataset).values()), dataset
        with found.warehouse.connection() as connection:
            days = metrics.reconcile(
                connection, found.account_id, today - timedelta(days=32), today
            )
        assert metrics.ComparisonOutcome.ROUNDING in {day.status for day in days}
        assert metrics.ComparisonOutcome.DIFFERS not in {day.status for day in days}
        for is_compared in (True, False):
            if not is_compared:
                found.query("DELETE FROM meta_ads.reconciliations RETURNING 1")
            answer = metrics.query(
                found.warehouse, account=found.account_id, metrics=("spend",),
                date_range=(min(stored), max(stored)), now=found.clock.now(),
            )  # fmt: skip
            assert not [one for one in answer.attrs["notes"] if "account row" in one]
        found.advance(hours=1)
        later = found.sync(parts=NUMBERS)
        asked = [one.params for one in found.sim.journal if one.path.endswith("/insights")][-9:]
        assert later.status is Status.SUCCESS, later.missing
        assert later.insights_calls <= 4, asked


def rounded_amounts(answer: Any, _: Any) -> Any:
    """Every third row has the smallest amount more than it should, as if the others had less."""
    page = json.loads(answer.body)
    for row in page.get("data", ())[::3]:
        amount = Decimal(row.get("spend", 0))
        row["spend"] = str(amount + Decimal(1).scaleb(int(amount.as_tuple().exponent)))
    return replace(answer, body=json.dumps(page).encode())


# -- rows that are taken back ----------------------------------------------------------------------


@pytest.mark.each_value
@pytest.mark.parametrize("force", [True, False], ids=["forced", "by age"])
@pytest.mark.parametrize("keep", [0.0, 0.002], ids=["whole rows", "most cells"])
def test_rows_cells_and_hours_that_are_taken_back_go(found: Lab, keep: float, force: bool) -> None:
    found.sync(parts=EXTRAS)
    ad, day = ads(found)[0], found.today() - timedelta(days=5)
    counted = {dataset: by_day(found, dataset)[day] for dataset in DATASETS}
    found.world.take_back(ad, day - timedelta(days=1), day, keep)
    found.advance(days=1, hours=1)
    record = found.sync(parts=EXTRAS, force=force)

    assert record.status is Status.SUCCESS, record.missing
    truth = account_rows(found)
    for dataset in DATASETS:
        stored = by_day(found, dataset)
        assert {one: stored[one] for one in truth if one in stored} == {
            one: truth[one] for one in truth if one in stored
        }
        changes = found.query(
            "SELECT rows_removed, spend_before, spend_after, impressions_after "
            "FROM meta_ads.insights_changes WHERE dataset = %s AND date_start = %s",
            dataset,
            day,
        )
        if dataset == "breakdown:age,gender" or (dataset == "insights_ad" and not keep):
            assert [bool(row["rows_removed"]) for row in changes] == [True], dataset
        for row in changes:
            if dataset.startswith("insights_") and dataset != "insights_hourly":
                assert row["spend_before"] == counted[dataset][0]
            assert (row["spend_after"], row["impressions_after"]) == stored[day], dataset


def test_what_is_taken_back_leaves_the_daily_metrics_too(found: Lab) -> None:
    found.sync()
    roll_up(found)
    ad, day = ads(found)[0], found.today() - timedelta(days=2)
    found.world.take_back(ad, day, day)
    found.advance(hours=7)
    found.sync()
    roll_up(found)
    for table in ("daily_ad_metrics", "daily_adset_metrics", "daily_campaign_metrics"):
        spend = found.scalar(f"SELECT sum(spend) FROM meta_ads.{table} WHERE date_start = %s", day)
        assert spend == account_rows(found)[day][0]
    stored = "SELECT count(*) FROM meta_ads.daily_ad_metrics WHERE ad_id = %s AND date_start = %s"
    assert found.scalar(stored, ad, day) == 0


def roll_up(found: Lab) -> None:
    with found.warehouse.connection() as connection:
        metrics.rollup(connection, found.account_id)


def test_a_row_that_is_missing_while_its_total_stands_stays(found: Lab) -> None:
    found.sync(parts=NUMBERS)
    ad, day = ads(found)[0], found.today() - timedelta(days=2)
    before = by_day(found, "insights_ad")[day]
    found.world.withhold(ad, day, day)
    found.advance(hours=7)
    told = []
    for _ in range(8):
        missing = found.sync(parts=NUMBERS).missing
        told.append(any(one.edge == "insights_ad" for one in missing))
        assert by_day(found, "insights_ad")[day] == before
        found.advance(hours=5)
    assert told[:2] == [True, True]
    assert not any(told[-3:]), "the account's row counts what is stored"


def test_an_ordinary_sync_costs_no_call_more(database_url: str) -> None:
    """Taken back rows of an hourly read day ask for its proof: one call, and only then."""
    policy = PlanPolicy(backfill_days=10, page_sizes=PageSizes(insights=500))
    with lab(database_url, SPEC, policy=policy) as found:
        found.sync()
        found.advance(hours=1)
        ordinary = found.sync(parts=NUMBERS).insights_calls
        assert ordinary == 1
        found.world.take_back(ads(found)[0], found.today(), found.today())
        found.advance(hours=1)
        record = found.sync(parts=NUMBERS)
        assert record.status is Status.SUCCESS, record.missing
        assert record.insights_calls == 2
        found.assert_insights(found.today(), found.today())
