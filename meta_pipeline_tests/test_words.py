"""Numbers as sentences have them: every digit, and no exponent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.copilot.reading import ValueFilter
from meta_pipeline.words import digits


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0"),
        (4.0, "4"),
        (100, "100"),
        (12.5, "12.5"),
        (1_234_567, "1234567"),
        (1e9, "1000000000"),
    ],
)
def test_a_number_has_every_digit_and_no_other(number: float, written: str) -> None:
    assert digits(number) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_digits_read_back_are_the_number(number: float) -> None:
    assert float(Decimal(digits(number, ",").replace(",", ""))) == number


def test_a_condition_repeats_a_large_number_as_it_was_asked() -> None:
    assert str(ValueFilter("spend", ">", 1_500_000, "EUR")) == "spend > 1500000 EUR"
