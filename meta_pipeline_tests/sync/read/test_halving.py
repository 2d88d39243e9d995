"""Finding what a question is refused for: pure, and with few questions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.sync.read.filters import chosen_ids, instead, only, other_than, single_object
from meta_pipeline.sync.read.halving import halves, refused_alone, unanswered

NAMES = [f"metric_{number}" for number in range(12)]
FEW = st.sets(st.sampled_from(NAMES), max_size=4)


class Meta:
    """Answers unless one of the names is among those asked for, and counts the questions."""

    def __init__(self, refused: set[str]) -> None:
        self.refused = refused
        self.questions: list[list[str]] = []

    def __call__(self, names: Sequence[str]) -> bool:
        assert names, "nothing is asked for"
        self.questions.append(list(names))
        return self.refused.isdisjoint(names)


@given(FEW)
def test_every_name_that_is_refused_alone_is_found(refused: set[str]) -> None:
    meta = Meta(refused)
    assert set(refused_alone(NAMES, meta)) == refused
    assert len(meta.questions) <= 2 + 2 * len(refused) * math.ceil(math.log2(len(NAMES)))


def test_names_that_are_refused_only_together_are_not_found() -> None:
    assert refused_alone(NAMES, lambda names: not {NAMES[0], NAMES[-1]} <= set(names)) == []


@given(FEW, FEW)
def test_every_name_that_is_not_answered_is_found(refused: set[str], suspects: set[str]) -> None:
    meta = Meta(refused)
    missing = unanswered(NAMES, meta, suspects)
    first = [name for name in NAMES if name not in suspects][:2]
    assert set(missing) == (set(NAMES) if refused.issuperset(first) else refused)
    assert len(missing) == len(set(missing))


def test_suspects_are_asked_for_alone_and_the_others_at_once() -> None:
    meta = Meta({NAMES[7]})
    assert unanswered(NAMES, meta, {NAMES[7]}) == [NAMES[7]]
    others = [name for name in NAMES[1:] if name != NAMES[7]]
    assert meta.questions == [[NAMES[0]], others, [NAMES[7]]]


def test_without_suspects_the_whole_is_not_asked_for_again() -> None:
    meta = Meta({NAMES[7]})
    assert unanswered(NAMES, meta) == [NAMES[7]]
    assert max(map(len, meta.questions)) == 6


def test_where_not_even_the_first_two_are_answered_it_is_not_the_names() -> None:
    meta = Meta(set(NAMES))
    assert unanswered(NAMES, meta) == NAMES
    assert len(meta.questions) == 2


@pytest.mark.parametrize("count", range(6))
def test_halves_are_all_of_it_in_order(count: int) -> None:
    first, rest = halves(NAMES[:count])
    assert first + rest == NAMES[:count]
    assert 0 <= len(first) - len(rest) <= 1


def test_filters_say_whom_they_let_through() -> None:
    filters = (other_than("ad", ["9"]), only("campaign", ["1"]), only("adset", ["2", "3"]))
    assert chosen_ids(filters) == {"campaign": ["1"], "adset": ["2", "3"]}
    assert single_object(filters) == ("adset", "2")
    assert single_object(filters[:1]) == ("account", "whole")
    fewer = instead(filters, "adset", ["3"])
    assert chosen_ids(fewer) == {"campaign": ["1"], "adset": ["3"]}
    assert fewer[0] == filters[0]
