"""Every number can be written, in every language, however large or odd it is."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import partial

import pytest
from babel import Locale
from babel.numbers import format_currency, format_decimal
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.reports.words import NOTHING
from meta_pipeline.web.number_style import Write, quick
from meta_pipeline.web.reader import reader_of

NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([1e15, -1e15, 1e300, math.inf, -math.inf, math.nan, 10**40]),
)


@given(
    value=NUMBERS,
    unit=st.sampled_from(["count", "currency", "percent", "ratio", "people"]),
    currency=st.sampled_from([None, "EUR", "JPY", "KWD", "XYZ", "unknown"]),
    language=st.sampled_from(["en", "de-DE", "fr", "ar-EG", "hi", "ja"]),
)
def test_every_number_is_written(
    value: float, unit: str, currency: str | None, language: str
) -> None:
    reader = reader_of(language)
    assert reader.value(value, unit, currency).strip()
    assert reader.compact(value, unit, currency).strip()
    assert reader.change(value).strip()


@pytest.mark.parametrize(
    ("value", "written"),
    [(1e40, "1E40"), (math.inf, "∞"), (math.nan, NOTHING), (999999.5, "999,999.5")],
)
def test_what_digits_cannot_say_is_a_power_of_ten(value: float, written: str) -> None:
    assert reader_of("en").count(value) == written


@given(
    value=st.one_of(
        st.floats(min_value=-1e14, max_value=1e14),
        st.decimals(min_value=-(10**14), max_value=10**14, places=3),
        st.integers(min_value=-(10**14), max_value=10**14),
        st.decimals(min_value=-1, max_value=1, allow_nan=False),
    ),
    language=st.sampled_from(["en", "de", "de-CH", "fr", "es", "pt-PT", "ar-EG", "hi", "sv", "ja"]),
    kind=st.sampled_from(["#,##0.##", "#,##0.00", "#,##0.0#", "+#,##0.0;-#,##0.0", "EUR", "JPY"]),
)
def test_what_is_written_sooner_is_what_babel_writes(
    value: float | Decimal, language: str, kind: str
) -> None:
    locale = Locale.parse(language, sep="-")
    babels: Write = (
        partial(format_decimal, format=kind, locale=locale)
        if "#" in kind
        else partial(format_currency, currency=kind, locale=locale)
    )
    assert quick(babels)(value) == babels(value)


def test_most_languages_are_written_sooner() -> None:
    for language in ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "tr", "ja", "ar_EG"):
        babels = partial(format_currency, currency="EUR", locale=Locale.parse(language))
        assert quick(babels) is not babels, language
