"""The ad account's own row: odd answers leave a trace and heal, changes are followed and said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics import MixedCurrencies
from meta_pipeline.model.money import CURRENCIES
from meta_pipeline.simulator import ABSENT, AccountSpec, Fault
from meta_pipeline.sync import ENTITIES, Part, Status
from meta_pipeline_tests.sync.lab import Lab, lab

TOKYO = AccountSpec("珈琲 Tokyo", 3, 6, 12, (2, 4, 8), currency="JPY", zone="Asia/Tokyo")
NUMBERS = frozenset({Part.INSIGHTS})


@pytest.fixture
def tokyo(database_url: str) -> Iterator[Lab]:
    """An account in yen, whose days begin nine hours before ours."""
    with lab(database_url, TOKYO) as found:
        yield found
        found.sim.check()


def tell(one: Lab, **values: Any) -> None:
    """What the account's node says from now on; None takes a key away."""
    given = {name: ABSENT if value is None else value for name, value in values.items()}
    one.world.patch(one.account_id, **given)


def truth(one: Lab) -> None:
    tell(one, currency="JPY", timezone_name="Asia/Tokyo")


def stored(one: Lab) -> dict[str, Any]:
    (row,) = one.query("SELECT * FROM meta_ads.meta_ad_accounts")
    return row


def found(one: Lab) -> set[tuple[str, str, str]]:
    rows = one.query(
        "SELECT field, value, reason FROM meta_ads.unrecognized_values WHERE source = 'ad_accounts'"
    )
    return {(row["field"], row["value"], row["reason"]) for row in rows}


def changes(one: Lab) -> set[tuple[str, str | None, str | None]]:
    rows = one.query(
        "SELECT field, old_value, new_value FROM meta_ads.entity_changes"
        " WHERE entity_type = 'account'"
    )
    return {(row["field"], row["old_value"], row["new_value"]) for row in rows}


def node_calls(one: Lab) -> int:
    path = f"/{one.account_id}"
    return sum(call.path.endswith(path) for call in one.sim.journal)


# -- what does not fit ----------------------------------------------------------------------------

ODD: tuple[tuple[dict[str, Any], set[tuple[str, str, str]]], ...] = (
    ({"account_status": "ACTIVE"}, {("account_status", "ACTIVE", "wrong_type")}),
    ({"account_status": 55}, {("account_status", "55", "unknown_enum")}),
    ({"disable_reason": "ADS_INTEGRITY_POLICY"},
     {("disable_reason", "ADS_INTEGRITY_POLICY", "wrong_type")}),
    ({"disable_reason": 77}, {("disable_reason", "77", "unknown_enum")}),
    ({"spend_cap": "no limit"}, {("spend_cap", "no limit", "wrong_type")}),
    ({"balance": "1,234"}, {("balance", "1,234", "wrong_type")}),
    ({"amount_spent": {}}, {("amount_spent", "{}", "wrong_type")}),
    ({"created_time": ""}, {("created_time", "", "wrong_type")}),
    ({"name": ["x"]}, {("name", "['x']", "wrong_type")}),
    ({"owner": {}}, {("owner", "{}", "wrong_type")}),
    ({"business": "Agency"}, {("business", "Agency", "wrong_type")}),
    ({"timezone_name": "Mars/Olympus"}, {("timezone_name", "Mars/Olympus", "unknown_enum")}),
    ({"timezone_name": "Europe"}, {("timezone_name", "Europe", "unknown_enum")}),
    ({"timezone_name": "../etc/passwd"}, {("timezone_name", "../etc/passwd", "unknown_enum")}),
    ({"timezone_name": None}, {("timezone_name", "", "missing_key")}),
    ({"timezone_name": ""}, {("timezone_name", "", "missing_key")}),
    ({"timezone_name": 9}, {("timezone_name", "9", "unknown_enum")}),
    ({"currency": "XXQ"}, {("currency", "XXQ", "unknown_enum"),
                           ("balance", "XXQ", "unknown_currency")}),
    ({"currency": "jpy"}, {("currency", "jpy", "unknown_enum")}),
    ({"currency": None}, {("currency", "", "missing_key")}),
    ({"currency": ["JPY"]}, {("currency", "['JPY']", "wrong_type")}),
)  # fmt: skip


@pytest.mark.each_value
@pytest.mark.parametrize(("values", "expected"), ODD, ids=[str(values)[:50] for values, _ in ODD])
@pytest.mark.parametrize("how", ["sync", "discover"])
def test_what_does_not_fit_an_account_is_recorded(
    tokyo: Lab, values: dict[str, Any], expected: set[tuple[str, str, str]], how: str
) -> None:
    tell(tokyo, **values)
    if how == "discover":
        tokyo.engine.discover()
    else:
        assert tokyo.sync(parts=ENTITIES).status is Status.SUCCESS
    assert expected <= found(tokyo)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"timezone_name": "Mars/Olympus"}, "time zone Mars/Olympus is not known here"),
        ({"timezone_name": None}, "days are counted in UTC"),
        ({"currency": None}, "currency not named by Meta"),
        ({"currency": "XXQ"}, "currency XXQ is not known here"),
    ],
)
def test_an_odd_account_is_said_and_heals_at_the_next_sync(
    tokyo: Lab, values: dict[str, Any], said: str
) -> None:
    tell(tokyo, **values)
    record = tokyo.sync()
    assert record.status is Status.SUCCESS
    assert said in (record.error_summary or "")
    health = tokyo.query("SELECT last_error FROM meta_ads.sync_health")
    assert said in health[0]["last_error"]
    if "currency" in values:
        budgets = "SELECT daily_budget, lifetime_budget FROM meta_ads.meta_campaigns"
        assert {v for row in tokyo.query(budgets) for v in row.values()} == {None}
        rows = "SELECT DISTINCT currency FROM meta_ads.meta_insights"
        assert tokyo.query(rows) == [{"currency": "JPY"}], "rows say theirs themselves"

    truth(tokyo)
    tokyo.advance(hours=1)
    healed = tokyo.sync()
    assert stored(tokyo)["currency"] == "JPY"
    assert stored(tokyo)["timezone_name"] == "Asia/Tokyo"
    tokyo.assert_entities()
    tokyo.assert_insights(tokyo.today() - timedelta(days=5), tokyo.today())
    assert "was" in (healed.error_summary or "")
    tokyo.advance(hours=1)
    assert tokyo.sync().error_summary is None


def test_a_first_answer_in_another_currency_heals_at_the_next_sync(tokyo: Lab) -> None:
    """A valid currency that is not the account's: its own rows say so."""
    tell(tokyo, currency="EUR")
    tokyo.sync()
    assert stored(tokyo)["currency"] == "EUR"
    truth(tokyo)
    tokyo.advance(hours=1)
    record = tokyo.sync()
    assert "currency is JPY, was EUR" in (record.error_summary or "")
    assert ("currency", "EUR", "JPY") in changes(tokyo)
    tokyo.assert_entities()
    amounts = {row["currency"] for row in tokyo.query("SELECT currency FROM meta_ads.meta_adsets")}
    assert amounts == {"JPY"}


def test_a_first_answer_in_another_zone_heals_at_the_next_sync(tokyo: Lab) -> None:
    """Times of Meta's are in the account's own zone: their offset says that it is another."""
    tell(tokyo, timezone_name="America/New_York")
    tokyo.sync()
    truth(tokyo)
    tokyo.advance(hours=1)
    tokyo.sync()
    assert stored(tokyo)["timezone_name"] == "Asia/Tokyo"
    tokyo.assert_insights(tokyo.today() - timedelta(days=5), tokyo.today())


def test_an_answer_without_currency_or_zone_takes_none_away(tokyo: Lab) -> None:
    tokyo.sync()
    tell(tokyo, currency=None, timezone_name="Mars/Olympus", name="New name")
    tokyo.advance(days=1, hours=1)
    tokyo.sync()
    row = stored(tokyo)
    assert (row["currency"], row["timezone_name"]) == ("JPY", "Asia/Tokyo")
    assert row["name"] == "New name"
    assert {("currency", "", "missing_key"), ("timezone_name", "Mars/Olympus", "unknown_enum")} <= (
        found(tokyo)
    )
    tokyo.assert_entities()


# -- what changes ---------------------------------------------------------------------------------


def test_a_status_that_changes_is_seen_within_a_day_and_kept(tokyo: Lab) -> None:
    tokyo.sync()
    tell(tokyo, account_status=2, disable_reason=3)
    tokyo.advance(days=1, hours=1)
    record = tokyo.sync()
    assert stored(tokyo)["account_status"] == 2
    assert {("account_status", "1", "2"), ("disable_reason", "0", "3")} <= changes(tokyo)
    assert "account_status is 2, was 1" in (record.error_summary or "")


def test_a_zone_that_changes_has_every_stored_day_read_again(tokyo: Lab) -> None:
    first = tokyo.sync()
    assert first.since is not None
    tell(tokyo, timezone_name="Asia/Seoul")  # the same hours under another name
    tokyo.advance(days=1, hours=1)
    before = tokyo.clock.now()
    record = tokyo.sync()
    assert "time zone is Asia/Seoul, was Asia/Tokyo" in (record.error_summary or "")
    stale = tokyo.query(
        "SELECT * FROM meta_ads.sync_windows WHERE fetched_at < %s AND date_start >= %s",
        before,
        first.since + timedelta(days=1),
    )
    assert stale == []
    assert ("timezone_name", "Asia/Tokyo", "Asia/Seoul") in changes(tokyo)


def test_a_change_that_a_listing_shows_is_followed_by_the_next_sync(tokyo: Lab) -> None:
    tokyo.sync()
    tell(tokyo, timezone_name="Asia/Seoul", account_status=2)
    tokyo.advance(hours=1)
    tokyo.engine.discover()
    assert stored(tokyo)["timezone_name"] == "Asia/Tokyo", "only a sync holds the account's lock"
    assert stored(tokyo)["account_status"] == 2
    record = tokyo.sync()
    assert stored(tokyo)["timezone_name"] == "Asia/Seoul"
    assert "stored ones are read again" in (record.error_summary or "")
    assert ("account_status", "1", "2") in changes(tokyo)


def test_amounts_of_two_currencies_are_not_added_up(tokyo: Lab) -> None:
    tokyo.sync()
    old = tokyo.today() - timedelta(days=5)
    with tokyo.warehouse.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.meta_insights SET currency = 'EUR' WHERE date_start <= %s", (old,)
        )
        metrics.rollup(connection, tokyo.account_id, _days(tokyo, 9))

    def ask(*names: str, days: tuple[int, int], **options: Any) -> Any:
        first, last = (tokyo.today() - timedelta(days=back) for back in days)
        return metrics.query(
            tokyo.warehouse, account=tokyo.account_id, metrics=names, date_range=(first, last),
            now=tokyo.clock.now(), **options,
        )  # fmt: skip

    for options in ({}, {"by": ["campaign"]}, {"by": ["month"]}, {"currency": "USD"}):
        with pytest.raises(MixedCurrencies, match=r"EUR from .* and JPY from"):
            ask("spend", days=(8, 1), **options)
        with pytest.raises(MixedCurrencies):
            ask("roas", days=(8, 1), **options)
    assert ask("clicks", days=(8, 1))["clicks"][0] > 0
    assert ask("spend", days=(4, 1)).attrs["currency"] == "JPY"
    assert ask("spend", days=(8, 6)).attrs["currency"] == "EUR"
    with pytest.raises(MixedCurrencies, match="each range by itself"):
        ask("spend", days=(8, 1), by=["day"])


def _days(one: Lab, count: int) -> list[Any]:
    return [one.today() - timedelta(days=back) for back in range(count)]


# -- what it costs --------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_node_is_read_once_a_day(tokyo: Lab) -> None:
    for _ in range(50):
        tokyo.sync(parts=ENTITIES)
        tokyo.advance(hours=1)
    assert node_calls(tokyo) == 2


def test_a_listing_spares_the_node(tokyo: Lab) -> None:
    for _ in range(3):
        tokyo.engine.discover()
        tokyo.sync(parts=ENTITIES)
        tokyo.advance(hours=20)
    assert node_calls(tokyo) == 0


@pytest.mark.slow
def test_a_contradiction_that_stays_costs_a_call_a_day(tokyo: Lab) -> None:
    tell(tokyo, currency="EUR")
    for _ in range(50):
        tokyo.sync(parts=frozenset({*ENTITIES, Part.INSIGHTS}))
        tokyo.advance(hours=1)
    assert node_calls(tokyo) <= 5


def test_a_node_that_cannot_be_read_again_costs_only_itself(tokyo: Lab) -> None:
    tokyo.sync()
    tokyo.advance(days=1, hours=1)
    tokyo.sim.fail(
        "GET", f"/{tokyo.account_id}", with_=Fault.graph_error(100), times=20,
        until=lambda request: request.path.count("/") > 1,
    )  # fmt: skip
    record = tokyo.sync()
    assert record.status is Status.SUCCESS
    assert "could not be read again" in (record.error_summary or "")


def test_the_currencies_are_metas() -> None:
    from facebook_business.adobjects.adaccount import AdAccount  # noqa: PLC0415

    known = {v for k, v in vars(AdAccount.Currency).items() if not k.startswith("_")}
    assert known == CURRENCIES
