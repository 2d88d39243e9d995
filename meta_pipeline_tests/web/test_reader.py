"""Every number can be written, in every language, however large or odd it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.reports.words import NOTHING
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
