"""An ad account is found by what people call it, and what is not one is told with candidates."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meta_pipeline.alike import MOST_COMPARED, alike
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import AccountAmbiguous, AccountUnknown, find_account
from meta_pipeline.warehouse.stores.account_names import AccountIndex, account_id_of


@dataclass(frozen=True)
class Known:
    account_id: str
    name: str | None


KNOWN = [
    Known("act_101", "Nordwind Shop"),
    Known("act_102", "Nordwind US"),
    Known("act_103", "Twin"),
    Known("act_104", "Twin"),
    Known("act_105", None),
    Known("act_106", "2024"),
    Known("act_2024", "Year"),
    Known("act_107", "act_101"),
    Known("act_108", "\x1b[31mCafé\u202e  Zoë\nMüller"),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("act_101", "act_101"),
        ("101", "act_101"),
        (" ACT_101 ", "act_101"),
        ("Nordwind Shop", "act_101"),
        ("nordwind   shop", "act_101"),
        ("NORDWIND US", "act_102"),
        ("2024", "act_2024"),
        ("year", "act_2024"),
        ("[31mCafé Zoë Müller", "act_108"),
        ("[31mCAFÉ ZOË MÜLLER", "act_108"),
        ("[31mCafe\u0301 Zoë Müller", "act_108"),
    ],
)
def test_an_account_is_found_by_id_number_and_name(wanted: str, found: str) -> None:
    assert find_account(wanted, KNOWN).account_id == found


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("act_109", "act_101"),
        ("Nordwnd Shop", "act_101 (Nordwind Shop)"),
        ("nordwind", "act_102 (Nordwind US)"),
        ("zzzzzzzz", "Known: act_101 (Nordwind Shop), "),
    ],
)
def test_an_unknown_one_is_told_with_near_ones(wanted: str, near: str) -> None:
    with pytest.raises(AccountUnknown) as told:
        find_account(wanted, KNOWN)
    assert near in str(told.value)
    assert "meta-pipeline accounts list" in str(told.value)


def test_several_of_a_name_are_listed_with_their_ids() -> None:
    with pytest.raises(AccountAmbiguous, match=r"2 .* act_103 \(Twin\), act_104 \(Twin\)"):
        find_account("twin", KNOWN)
    many = [Known(f"act_{n}", "Same") for n in range(1, 1001)]
    with pytest.raises(AccountAmbiguous, match="and 992 more") as told:
        find_account("Same", many)
    assert len(str(told.value)) < 1_000


def test_where_none_is_known_it_is_said() -> None:
    with pytest.raises(AccountUnknown, match="None is known yet"):
        find_account("Shop", [])


@given(st.lists(st.text(max_size=30), max_size=6), st.text(max_size=30))
def test_whatever_is_typed_finds_the_one_account_called_so_or_none(
    names: list[str], wanted: str
) -> None:
    assume(account_id_of(wanted) is None)
    known = [Known(f"act_{n}", name) for n, name in enumerate(names, start=1)]
    exact = [one for one in known if one.name == wanted]
    found: set[Known] = set()
    with suppress(AccountUnknown, AccountAmbiguous):
        found = {find_account(wanted, known)}
    assert found == set(exact) or not exact or len(exact) > 1
    assert found <= set(known)


@given(st.text(min_size=1, max_size=30))
def test_a_name_as_it_is_printed_finds_its_account(name: str) -> None:
    shown = one_line(name)
    assume(shown and account_id_of(shown) is None)
    assert find_account(shown, [Known("act_1", name)]).account_id == "act_1"


def test_many_names_are_looked_for_in_names_that_are_read_once() -> None:
    read = []

    class Counted:
        account_id = "act_1"

        @property
        def name(self) -> str:
            read.append(1)
            return "Shop"

    once, many = AccountIndex([Counted()]), AccountIndex([Counted()])
    once.find("SHOP")
    reads_for_one = len(read)
    for wanted in ("SHOP", "shop ", "sHOP") * 20:
        many.find(wanted)
    assert len(read) == 2 * reads_for_one


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
