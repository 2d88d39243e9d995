"""Wrong keys cost little, and keep no right one out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from meta_pipeline.key_tries import KeyTries, TooManyKeys
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

ADDRESS = "a proxy"


def nobody() -> None:
    return None


def ana() -> str:
    return "ana"


@pytest.fixture
def tried() -> KeyTries:
    """Twenty wrong keys came from the address."""
    tries = KeyTries()
    for number in range(20):
        assert tries.look_up(ADDRESS, f"wrong {number}", nobody) is None
    return tries


def test_a_right_key_is_let_in_for_the_first_time_after_too_many_wrong_ones(
    tried: KeyTries,
) -> None:
    with pytest.raises(TooManyKeys, match="more than 20 times a minute"):
        tried.look_up(ADDRESS, "another wrong one", nobody)
    assert tried.look_up(ADDRESS, "right", ana) == "ana"


def test_after_too_many_wrong_keys_others_are_looked_for_one_at_a_time(tried: KeyTries) -> None:
    begun, over = threading.Event(), threading.Event()
    looked_up: list[str] = []
    assert tried.look_up(ADDRESS, "let in before", ana) == "ana"

    def slow() -> None:
        begun.set()
        assert over.wait(PATIENCE_SECONDS)

    def noted(whose: str | None) -> Callable[[], str | None]:
        def found() -> str | None:
            looked_up.append(str(whose))
            return whose

        return found

    with ThreadPoolExecutor() as pool:
        first = pool.submit(tried.look_up, ADDRESS, "wrong", slow)
        try:
            assert begun.wait(PATIENCE_SECONDS)
            for number in range(100):
                with pytest.raises(TooManyKeys) as refused:
                    tried.look_up(ADDRESS, f"one of many {number}", noted(None))
                assert refused.value.seconds == 1
            assert looked_up == []
            # Neither who came in before waits, nor who comes from elsewhere.
            assert tried.look_up(ADDRESS, "let in before", noted("ana")) == "ana"
            assert tried.look_up("elsewhere", "right", noted("ben")) == "ben"
        finally:
            over.set()
        assert isinstance(first.exception(PATIENCE_SECONDS), TooManyKeys)
    assert tried.look_up(ADDRESS, "right", noted("cleo")) == "cleo"


def test_a_key_that_was_revoked_waits_its_turn_as_every_wrong_one(tried: KeyTries) -> None:
    assert tried.look_up(ADDRESS, "revoked", ana) == "ana"
    with pytest.raises(TooManyKeys):
        tried.look_up(ADDRESS, "revoked", nobody)

    def meanwhile() -> str:
        with pytest.raises(TooManyKeys) as refused:
            tried.look_up(ADDRESS, "revoked", nobody)
        assert refused.value.seconds == 1, "it was looked for"
        return "ana"

    assert tried.look_up(ADDRESS, "right", meanwhile) == "ana"


def test_a_look_up_that_fails_leaves_the_turn_to_others(tried: KeyTries) -> None:
    def broken() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        tried.look_up(ADDRESS, "right", broken)
    assert tried.look_up(ADDRESS, "right", ana) == "ana"
