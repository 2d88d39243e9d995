from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from meta_pipeline.metrics import MetricsError, MissingRate, MixedCurrencies, rollup
from meta_pipeline.metrics.answers.exchange import (
    OLDEST_RATE_DAYS,
    load_rates,
    rates,
    read_rates,
)
from meta_pipeline.metrics.answers.period import Period
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, TODAY, Rows, actions, ago, ask

BOTH = [ACCOUNT, "act_2"]


@pytest.fixture
def two_currencies(rows: Rows) -> Rows:
    rows.account()
    rows.account("act_2", currency="USD")
    worth: dict[str, Any] = {
        "actions": actions(omni_purchase=1),
        "action_values": actions(omni_purchase=40),
    }
    for back in (0, 1):
        rows.insight("a1", ago(back), spend=10, **worth)
        rows.insight("xa1", ago(back), "act_2", spend=10, **worth)
    return rows


def rate(rows: Rows, day: date, base: str, quote: str, value: str) -> None:
    load_rates(rows.connection, [(day, base, quote, Decimal(value))], "test")
    rows.connection.commit()


def test_mixed_currencies_are_refused_unless_rows_keep_them_apart(
    warehouse: Warehouse, two_currencies: Rows
) -> None:
    for metric in ("spend", "roas", "cpm"):
        with pytest.raises(MixedCurrencies, match="EUR, USD"):
            ask(warehouse, metric, account=BOTH)
    assert ask(warehouse, "purchases", account=BOTH)["purchases"].tolist() == [4]
    apart = ask(warehouse, "spend", account=BOTH, by=["account"])
    assert apart["currency"].tolist() == ["EUR", "USD"]


@pytest.mark.parametrize("rolled_up", [True, False])
def test_amounts_are_converted_day_by_day(
    warehouse: Warehouse, two_currencies: Rows, rolled_up: bool
) -> None:
    rate(two_currencies, ago(1), "USD", "EUR", "0.5")
    rate(two_currencies, TODAY, "USD", "EUR", "0.8")
    if rolled_up:
        for account in BOTH:
            rollup(two_currencies.connection, account)
        two_currencies.connection.commit()

    answer = ask(
        warehouse, "spend", "roas", account=BOTH, currency="eur", date_range=(ago(1), TODAY)
    )

    assert answer["spend"].tolist() == [pytest.approx(20 + 5 + 8)]
    assert answer["roas"].tolist() == [pytest.approx(4)]
    assert answer.attrs["currency"] == "EUR"
    assert answer.attrs["is_converted"]


def test_pairs_are_turned_round_and_crossed(warehouse: Warehouse, two_currencies: Rows) -> None:
    rate(two_currencies, ago(2), "EUR", "USD", "1.25")
    rate(two_currencies, ago(2), "EUR", "GBP", "0.8")
    days = (ago(1), TODAY)

    in_euro = ask(warehouse, "spend", account="act_2", currency="EUR", date_range=days)
    in_pounds = ask(warehouse, "spend", account="act_2", currency="GBP", date_range=days)

    assert in_euro["spend"].tolist() == [pytest.approx(16)]
    assert in_pounds["spend"].tolist() == [pytest.approx(20 / 1.25 * 0.8)]


def test_rate_older_than_a_week_is_no_rate(warehouse: Warehouse, two_currencies: Rows) -> None:
    rate(two_currencies, ago(8), "USD", "EUR", "0.5")

    with pytest.raises(MissingRate, match="from USD to EUR for 2026-03-18"):
        ask(warehouse, "spend", account=BOTH, currency="EUR", date_range="today")


def test_rates_file(tmp_path: Path, rows: Rows) -> None:
    good, bad = tmp_path / "rates.csv", tmp_path / "bad.csv"
    good.write_text("date,base,quote,rate\n2026-03-18,usd,eur,0.9\n")
    bad.write_text("date,base,quote,rate\n2026-03-18,usd,eur,0.9\n2026-03-19,usd,eur,-1\n")

    assert load_rates(rows.connection, read_rates(good), "rates.csv") == 1
    assert load_rates(rows.connection, read_rates(good), "rates.csv") == 0
    with pytest.raises(MetricsError, match=r"bad.csv:3: not two currencies and a rate above zero"):
        list(read_rates(bad))


def test_rates_as_excel_saves_them_are_read_and_other_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    text = "date,base,quote,rate\r\n2026-03-18,usd,eur,0.9\r\n"
    file.write_bytes(text.encode("utf-8-sig"))
    assert list(read_rates(file)) == [(TODAY, "USD", "EUR", Decimal("0.9"))]
    for encoding in ("utf-16", "cp1252"):
        file.write_bytes(f"{text}# é\r\n".encode(encoding))
        with pytest.raises(MetricsError, match=r"rates.csv is not UTF-8 text"):
            list(read_rates(file))


def test_of_many_accounts_a_factor_is_made_for_each_currency_and_day(rows: Rows) -> None:
    held = {f"act_{n}": ("USD", "EUR")[n % 2] for n in range(1_000)}
    since_then = [Period(ago(30 + n % 4), TODAY) for n in range(1_000)]
    load_rates(
        rows.connection,
        [(ago(n), "EUR", quote, Decimal(2)) for n in range(34) for quote in ("USD", "GBP")],
        "test",
    )

    params = rates(rows.connection, held, since_then, "GBP").params

    assert len(params["fx_rates"]) == 33 + 34
    pairs = zip(params["fx_currencies"], params["fx_days"], strict=True)
    factors = dict(zip(pairs, params["fx_rates"], strict=True))
    assert (factors["USD", TODAY], factors["EUR", ago(32)]) == (1, 2)


def test_rates_of_other_days_and_currencies_are_not_read(rows: Rows) -> None:
    rows.connection.execute(
        "INSERT INTO meta_ads.exchange_rates"
        " SELECT %s - day, 'EUR', quote, 2, 'test'"
        " FROM generate_series(0, 1999) AS day, unnest(%s::text[]) AS quote",
        (TODAY, ["USD", "GBP", "CHF", "SEK", "NOK"]),
    )
    rows.connection.commit()
    rows.connection.execute("ANALYZE meta_ads.exchange_rates")
    before = read_by(rows.connection)

    factors = rates(rows.connection, {"act_1": "USD"}, [Period(ago(1), TODAY)], "EUR").params

    assert factors["fx_rates"] == [Decimal("0.5")] * 2
    # Of 10,000 five a day, and the ends of the index, which the planner looks at.
    assert read_by(rows.connection) - before <= 5 * (2 + OLDEST_RATE_DAYS) + 2


def read_by(connection: Connection[Any]) -> int:
    """Rates that were read over this connection in its transaction."""
    row = connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
        " WHERE relname = 'exchange_rates'"
    ).fetchone()
    assert row is not None
    return int(row[0])
