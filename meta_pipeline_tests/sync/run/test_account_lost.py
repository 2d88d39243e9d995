"""An ad account that is lost while it is read: what a token may not see is not gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meta_pipeline.model.part import Part
from meta_pipeline.simulator import AccountSpec, Fault
from meta_pipeline.sync import Status
from meta_pipeline_tests.sync.lab import Lab, lab

# Every call of a sync is a step, so it is a small account.
TINY = AccountSpec("Nordwind Shop", 1, 2, 4, (1, 2, 3), zone="Europe/Berlin", currency="EUR")

LOSSES: dict[str, Callable[[Lab], object]] = {
    "not among its accounts": lambda made: made.sim.tokens.restrict(made.sim.token, accounts=[]),
    "withheld by its owner": lambda made: made.sim.tokens.withhold(
        made.sim.token, accounts=[made.account_id]
    ),
    "scopes taken back": lambda made: made.sim.tokens.issue(made.sim.token, scopes=[]),
}


@pytest.fixture
def tiny(database_url: str) -> Iterator[Lab]:
    with lab(database_url, TINY) as made:
        yield made


def marked(made: Lab) -> set[str]:
    """The ads, ad sets and campaigns that count as deleted here."""
    return {
        key
        for edge in ("campaigns", "adsets", "ads")
        for key, row in made.stored_entities(edge).items()
        if row["is_deleted"]
    }


def lost_at_each_call(
    made: Lab, lose: Callable[[Lab], object], listing: Fault | None = None, **asked: Any
) -> int:
    """Sync with the account lost just before one call, a later one each time, until one is whole.

    Returns how many were not; none of them may have marked anything. `listing` is what happens to
    every listing of ads.
    """
    before = marked(made)
    for call in range(1, 40):
        made.sim.faults.clear()
        made.sim.fail("*", "*", with_=Fault.world_edit(lambda _: lose(made)), on_call=call)
        if listing is not None:
            made.sim.fail("GET", "/ads", with_=listing, times=None)
        record = made.sync(force=True, **asked)
        made.sim.tokens.issue(made.sim.token)
        if record.status is Status.SUCCESS:
            return call - 1
        assert marked(made) == before, f"lost before call {call}"
        made.advance(hours=1)
    raise AssertionError("no sync came to its end")


def losses(quick: str) -> list[Any]:
    """All of them; the quick suite tries this one."""
    return [
        pytest.param(lose, id=name, marks=() if name == quick else pytest.mark.slow)
        for name, lose in LOSSES.items()
    ]


@pytest.mark.parametrize("lose", losses("not among its accounts"))
def test_what_a_listing_did_not_show_is_not_gone(tiny: Lab, lose: Callable[[Lab], object]) -> None:
    """A living ad is left out of each listing, and the account is lost at every step after it."""
    tiny.sync()
    ads = [one.id for one in tiny.world.objects("ads", tiny.account_id)]
    gone = ads[0]
    tiny.world.vanish(gone)
    before = marked(tiny)
    tiny.advance(days=1, hours=1)
    assert lost_at_each_call(tiny, lose, Fault.lost_rows(2)) >= 5
    assert marked(tiny) - before == {gone}


@pytest.mark.each_value
@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("few", [True, False], ids=["one by one", "as a page"])
def test_what_was_named_is_not_gone(tiny: Lab, lose: Callable[[Lab], object], few: bool) -> None:
    tiny.sync()
    named = tuple(one.id for one in tiny.world.objects("ads", tiny.account_id))
    before = marked(tiny)
    lost = lost_at_each_call(tiny, lose, objects={Part.ADS: named[:2] if few else named})
    assert lost >= 1
    assert marked(tiny) == before


@pytest.mark.parametrize("lose", losses("withheld by its owner"))
def test_what_insights_mention_is_not_gone(tiny: Lab, lose: Callable[[Lab], object]) -> None:
    """An ad without a row is read by id; one that is refused would get a row that says deleted."""
    tiny.sync()
    (ad,) = [one.id for one in tiny.world.objects("ads", tiny.account_id)][:1]
    before = marked(tiny)
    with tiny.warehouse.connection() as connection:
        connection.execute("DELETE FROM meta_ads.meta_ads WHERE ad_id = %s", (ad,))
    tiny.advance(hours=1)
    assert lost_at_each_call(tiny, lose, Fault.no_rows()) >= 3
    assert marked(tiny) == before
