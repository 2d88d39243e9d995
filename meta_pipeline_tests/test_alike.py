"""Names that look like another: found among many, at the cost of comparing few."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from meta_pipeline.alike import MOST_COMPARED, alike

MANY = [f"Campaign {number} of a shop for shoes and socks" for number in range(10_000)]


@pytest.mark.parametrize(
    "wanted", ["campaign 77 of a shop for shoes and socks", "spring sle", "", "x" * 5_000]
)
def test_of_however_many_names_few_are_compared(wanted: str) -> None:
    compared = 0

    def counting(frame: FrameType, event: str, _: object) -> None:
        nonlocal compared
        compared += event == "call" and frame.f_code.co_name == "real_quick_ratio"

    sys.setprofile(counting)
    try:
        alike(wanted, MANY, cutoff=0.5)
    finally:
        sys.setprofile(None)
    assert compared <= MOST_COMPARED


@pytest.mark.parametrize("wanted", ["Sprng sale", "spring sale", "pring sales", "Spring sael"])
def test_a_name_that_was_mistyped_is_found_among_many(wanted: str) -> None:
    assert alike(wanted, [*MANY, "Spring sale"], cutoff=0.5)[0] == "Spring sale"
    number = "Campaign 4711 of a shop for shoes and sokcs"
    assert MANY[4711] in alike(number, MANY, cutoff=0.5)
