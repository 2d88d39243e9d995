"""Which of several names a question is refused for, found by asking with fewer of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence

Asks = Callable[[Sequence[str]], bool]
"""Asks with these names only; whether an answer came."""


def refused_alone(names: Sequence[str], takes: Asks) -> list[str]:
    """Those of the names, refused together, that are refused alone too; about log2 calls for one.

    A name that is refused only beside another one is not among them. None of them where all are
    taken together in the end: a refusal may pass while it is looked into.
    """
    return _confirmed(_alone(names, takes), names, takes)


def refused_beside(own: Sequence[str], others: Sequence[str], takes: Asks) -> list[str]:
    """As `refused_alone` of the others, each asked for beside its own names.

    None of them where all are taken, and where the own names are refused as well.
    """

    def takes_others(some: Sequence[str]) -> bool:
        return takes([*own, *some])

    if not others or takes_others(others) or not takes(own):
        return []
    return refused_alone(others, takes_others)


def refused_together(names: Sequence[str], takes: Asks) -> list[str]:
    """As `refused_alone`, and all of the names where each alone is taken."""
    return _confirmed(_alone(names, takes) or list(names), names, takes)


def _alone(names: Sequence[str], takes: Asks) -> list[str]:
    if len(names) == 1:
        return list(names)
    return [
        one for half in halves(names) if half and not takes(half) for one in _alone(half, takes)
    ]


def _confirmed(found: list[str], names: Sequence[str], takes: Asks) -> list[str]:
    return found if found and not takes(names) else []


def unanswered(names: Sequence[str], answers: Asks, suspects: Collection[str] = ()) -> list[str]:
    """Those of the names, unanswered together, that are not answered in smaller groups either.

    All of them when not even one of the first two is: then it is not the names. `suspects` were
    not answered elsewhere and are asked for alone, which saves halving the others.
    """
    # Two, as the first may be the very one that is at fault.
    first = [name for name in names if name not in suspects][:2] or list(names[:2])
    known = next((name for name in first if answers([name])), None)
    if known is None:
        return list(names)
    missing = first[: first.index(known)]
    tried = {known, *missing}
    rest = [name for name in names if name not in tried and name not in suspects]
    doubtful = [name for name in names if name in suspects and name not in tried]
    # Without suspects the rest would be refused as a whole: that was seen already.
    waiting = deque([rest, *([name] for name in doubtful)] if doubtful else halves(rest))
    while waiting:
        some = waiting.popleft()
        if not some or answers(some):
            continue
        if len(some) == 1:
            missing += some
        else:
            waiting += halves(some)
    return missing


def halves(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The first half, which is the longer one, and the rest."""
    middle = (len(names) + 1) // 2
    return list(names[:middle]), list(names[middle:])
