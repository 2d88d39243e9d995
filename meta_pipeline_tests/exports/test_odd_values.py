"""Whatever Postgres can hold comes out as it is, or is counted."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meta_pipeline.exports import export, open_place
from meta_pipeline_tests.warehouse.rows import MORNING, insert

from .lake import APRIL, FIRST, add_day, ask, files, manifest

_EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
ODD_TEXTS = st.sampled_from(
    [
        "",
        '"',
        '""',
        "\\N",
        "\\.",
        "a,b",
        "\r\n",
        "NULL",
        " ",
        "\n",
        "'",
        "\x1e",
        "\x1f",
        "a\x1e\x1fb\x1e",
    ]
)
NUMBERS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=6),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40),
    st.sampled_from(
        [Decimal(text) for text in ("NaN", "1e29", "-1e300", "0.0000000005", "1.0000000015")]
    ),
)
MOMENTS = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001  # the strategy gives them their zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "campaign_id": st.none() | TEXTS | ODD_TEXTS,
            "spend": st.none() | NUMBERS,
            "impressions": st.none() | st.integers(-(2**63), 2**63 - 1),
            "actions": st.none() | st.lists(st.dictionaries(TEXTS, TEXTS | st.integers())),
            "data_as_of": MOMENTS,
        }
    ),
    min_size=1,
    max_size=8,
)


def expected(value: Decimal | None) -> Decimal | None:
    """A number as the file has it: nine places, null where 29 digits do not do."""
    if value is None or not value.is_finite():
        return None
    rounded = value.quantize(Decimal("1e-9"), context=_EXACT)
    return rounded if abs(rounded) < Decimal(10) ** 29 else None


@example(
    rows=[
        # 128 bits hold it, 38 digits do not.
        {"campaign_id": "", "spend": Decimal("1e29"), "impressions": None, "actions": None}
        | {"data_as_of": MORNING}
    ]
)
@given(rows=ROWS)
@settings(max_examples=25)
def test_every_value_comes_out_as_it_is_or_is_counted(
    postgres_url: str, tmp_path_factory: Any, rows: list[dict[str, Any]]
) -> None:
    place: Path = tmp_path_factory.mktemp("lake")
    with psycopg.connect(postgres_url) as connection:
        connection.execute("TRUNCATE meta_ads.meta_insights")
        for number, row in enumerate(rows):
            stored = row | {
                "actions": None if row["actions"] is None else json.dumps(row["actions"])
            }
            add_day(connection, FIRST, APRIL, ad_id=str(number), **stored)
    export(postgres_url, open_place(str(place)), tables=["meta_insights"])
    read = ask(
        "SELECT campaign_id, spend, impressions, actions, epoch_us(data_as_of) FROM rows"
        " ORDER BY ad_id",
        files(place, "meta_insights"),
    )
    assert len(read) == len(rows)
    unfit = 0
    for (campaign, spend, impressions, actions, as_of), row in zip(read, rows, strict=True):
        assert campaign == row["campaign_id"]
        assert spend == expected(row["spend"])
        unfit += spend is None and row["spend"] is not None
        assert impressions == row["impressions"]
        assert (actions if actions is None else json.loads(actions)) == row["actions"]
        since = row["data_as_of"] - datetime(1970, 1, 1, tzinfo=UTC)
        assert as_of == (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
    (file,) = manifest(place).files_of("meta_insights")
    assert file.unfit.get("spend", 0) == unfit


def test_days_that_no_calendar_has_go_into_a_file_of_their_own(
    postgres_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_url) as connection:
        for day in ("infinity", "-infinity", "0044-03-15 BC", "20000-01-01", "9999-12-31"):
            insert(
                connection,
                "meta_insights",
                entity_type="ad",
                entity_id=day,
                date_start=day,
                date_stop=day,
                account_id=FIRST,
                spend=1,
                data_as_of=MORNING,
            )
    done = export(postgres_url, open_place(str(tmp_path)), tables=["meta_insights"])
    found = {one.month: one for _, one in done.written}
    assert {month: one.rows for month, one in found.items()} == {"9999-12": 1, None: 4}
    assert found[None].unfit == {"date_start": 4, "date_stop": 4}
    assert "undated" in found[None].path
    assert done.unfit == {"meta_insights.date_start": 4, "meta_insights.date_stop": 4}
    read = ask("SELECT date_start FROM rows WHERE date_start IS NOT NULL", files_of(tmp_path))
    assert read == [(date(9999, 12, 31),)]


def files_of(place: Path) -> list[str]:
    return files(place, "meta_insights")


def test_a_row_is_of_any_length(postgres_url: str, tmp_path: Path) -> None:
    """Longer than the buffer, with lines inside."""
    long = "line\n" * 5_000_000
    with psycopg.connect(postgres_url) as connection:
        for number in range(2):
            insert(
                connection,
                "meta_campaigns",
                campaign_id=f"c{number}",
                account_id=FIRST,
                name=long,
                data_as_of=MORNING,
            )
    done = export(postgres_url, open_place(str(tmp_path)), tables=["meta_campaigns"])
    assert done.rows_written == 2
    read = ask(
        "SELECT count(*), min(length(name)), max(length(name)) FROM rows",
        files(tmp_path, "meta_campaigns"),
    )
    assert read == [(2, len(long), len(long))]
