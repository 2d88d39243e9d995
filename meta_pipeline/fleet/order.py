"""In which order the accounts whose turn has come are taken.

No order here can starve an account. Lateness is counted from when an account's turn came and
starts anew with every attempt, so it grows for who is left out and falls for who is taken;
docs/rotation.md has the proof and the tests check its bounds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from .candidate import Candidate
from .rules import RotationRules

Key = Callable[[Candidate], Any]


def round_robin(due: Iterable[Candidate], cursor: str | None) -> list[Candidate]:
    """By account id, from the first one after the cursor round to the cursor itself.

    The cursor is an account id and need not exist any more: accounts may come and go meanwhile.
    """
    by_id = sorted(due, key=lambda each: each.state.account_id)
    start = 0
    if cursor is not None:
        start = bisect_right(by_id, cursor, key=lambda each: each.state.account_id)
    return by_id[start:] + by_id[:start]


def by_lateness(
    due: Iterable[Candidate], now: datetime, busy: Mapping[str, int]
) -> list[Candidate]:
    """Who has missed most of its own turns first, fair across tenants.

    A turn is short where much is spent, so such accounts come before others that wait as long.
    """

    def key(each: Candidate) -> tuple[float, str]:
        return -each.overdue_turns(now), each.state.account_id

    return _fair(due, key, busy)


def by_waiting(due: Iterable[Candidate], busy: Mapping[str, int]) -> list[Candidate]:
    """Who waits longest first, whatever it spends, fair across tenants."""
    return _fair(due, lambda each: (each.due_at, each.state.account_id), busy)


def with_places_kept(
    ordered: list[Candidate],
    now: datetime,
    limit: int,
    rules: RotationRules,
    busy: Mapping[str, int],
) -> tuple[list[Candidate], frozenset[str]]:
    """The order with up to `fallback_at_most` of the latest near its front, and who they are.

    They take no more than half of the places and never the first, which decides what a lone free
    run does: a fleet that is late as a whole must not lose its priorities.
    """
    late = [each for each in ordered if now - each.due_at > rules.fallback_after]
    places = min(rules.fallback_at_most, limit // 2)
    kept = by_waiting(late, busy)[:places]
    names = frozenset(each.state.account_id for each in kept)
    others = [each for each in ordered if each.state.account_id not in names]
    return others[:1] + kept + others[1:], names


def with_first_syncs_spread(ordered: list[Candidate], room: int) -> list[Candidate]:
    """The order with only `room` first syncs in it; the others go to its end.

    A first sync takes minutes: without this, a hundred new accounts would hold every place.
    """
    firsts = (each for each in ordered if each.state.is_first_sync)
    ahead = {each.state.account_id for each in islice(firsts, max(room, 0))}

    def waits(each: Candidate) -> bool:
        return each.state.is_first_sync and each.state.account_id not in ahead

    return [each for each in ordered if not waits(each)] + [each for each in ordered if waits(each)]


def with_history_last(
    ordered: list[Candidate], now: datetime, late: Collection[str]
) -> list[Candidate]:
    """The order with those at its end that wait for days of long ago only; `late` ones stay.

    Everybody's newest days come before anybody's oldest. None is left there: once its numbers are
    due by its cadence, its old days go with them.
    """

    def waits(each: Candidate) -> bool:
        return each.is_for_history(now) and each.state.account_id not in late

    return [each for each in ordered if not waits(each)] + [each for each in ordered if waits(each)]


def with_forgotten_limited(ordered: list[Candidate], at_most: int) -> tuple[list[Candidate], int]:
    """The order with all but so many refreshes at its end, and how many are before those.

    New accounts are not what the limit is for.
    """
    room = at_most
    taken: list[Candidate] = []
    left: list[Candidate] = []
    for each in ordered:
        is_new = each.state.is_first_sync or each.state.has_backfill_gap
        (taken if is_new or room > 0 else left).append(each)
        room -= not is_new
    return taken + left, len(taken)


def _fair(due: Iterable[Candidate], key: Key, busy: Mapping[str, int]) -> list[Candidate]:
    """The first of every tenant, then the second of every tenant, and so on.

    An account that is being synced has had its tenant's place: `busy` counts those.
    """
    taken = Counter(busy)
    ranked = []
    for each in sorted(due, key=key):
        tenant = each.state.tenant
        ranked.append((taken[tenant], each))
        taken[tenant] += 1
    # The sort is stable: inside one rank the order by key remains.
    return [each for _, each in sorted(ranked, key=lambda pair: pair[0])]
