"""Account names: which ad account somebody means who gives its id, its number or its name.

Every command and every question asks here, so that an account is called the same everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from meta_pipeline.alike import alike
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse.errors import WarehouseError
from meta_pipeline.words import shortened

_ID = re.compile(r"(act_)?([0-9]{1,40})", re.IGNORECASE)
_SHOWN = 8
# A name may have hundreds of characters; it stands in the middle of a sentence.
_LABEL_WIDTH = 80
_LISTED = "meta-pipeline accounts list shows them all."


class Named(Protocol):
    """Anything of an ad account that has its id and its name."""

    @property
    def account_id(self) -> str: ...

    @property
    def name(self) -> str | None: ...


N = TypeVar("N", bound=Named)


class AccountUnknown(WarehouseError):
    """No known ad account is called that; `near` are those that look like it, best first."""

    def __init__(self, wanted: str, near: Sequence[Named], known: Sequence[Named]) -> None:
        self.wanted, self.near = wanted, tuple(near)
        if near:
            offer = f"Did you mean {' or '.join(map(label, near))}? {_LISTED}"
        elif known:
            offer = f"Known: {_several(known)}. {_LISTED}"
        else:
            offer = "None is known yet: meta-pipeline accounts list --refresh asks Meta for them."
        super().__init__(f"There is no ad account {wanted!r}. {offer}")


class AccountAmbiguous(WarehouseError):
    """Several ad accounts are called that; `candidates` are they."""

    def __init__(self, wanted: str, candidates: Sequence[Named]) -> None:
        self.wanted, self.candidates = wanted, tuple(candidates)
        super().__init__(
            f"{len(candidates)} ad accounts are called {wanted!r}: {_several(candidates)}. Give "
            "the id of one instead."
        )


def account_id_of(text: str) -> str | None:
    """`act_123` of `act_123` or `123`, also with space around it; None for what is no id."""
    match = _ID.fullmatch(text.strip())
    return None if match is None else f"act_{match[2]}"


def find_account(wanted: str, known: Iterable[N]) -> N:
    """The account of that id, number or name; capitals and spacing of a name do not matter.

    An id comes before a name, a name that is written the same before one that is not. Raises
    AccountUnknown with near ones, AccountAmbiguous with all that are called so.
    """
    return AccountIndex(known).find(wanted)


class AccountIndex(Generic[N]):
    """Known accounts by all they are called: made once, however many are looked for."""

    def __init__(self, known: Iterable[N]) -> None:
        self._rows = list(known)

    def find(self, wanted: str) -> N:
        """As `find_account`."""
        account_id = account_id_of(wanted)
        # Way by way: an account that is called as another's number is not in the way of that one.
        for called, names in (
            (self._by_id, (wanted, account_id)),
            (self._by_name, (wanted,)),
            (self._by_folded, (_folded(wanted) or None,)),
        ):
            matching = [one for name in dict.fromkeys(names) for one in called.get(name, ())]
            if len(matching) == 1:
                return matching[0]
            if matching:
                raise AccountAmbiguous(wanted, matching)
        raise AccountUnknown(wanted, _near(wanted, account_id, self._rows), self._rows)

    @cached_property
    def _by_id(self) -> Mapping[str | None, list[N]]:
        return _grouped((one.account_id, one) for one in self._rows)

    @cached_property
    def _by_name(self) -> Mapping[str | None, list[N]]:
        return _grouped((one.name, one) for one in self._rows if one.name is not None)

    @cached_property
    def _by_folded(self) -> Mapping[str | None, list[N]]:
        named = ((one.name, one) for one in self._rows if one.name is not None)
        return _grouped((_folded(name), one) for name, one in named)


def _grouped(rows: Iterable[tuple[str, N]]) -> Mapping[str | None, list[N]]:
    found: dict[str | None, list[N]] = {}
    for name, one in rows:
        found.setdefault(name, []).append(one)
    return found


def label(account: Named) -> str:
    """How an account is named in a sentence: id and name."""
    name = one_line(account.name or "")
    shown = shortened(name, _LABEL_WIDTH)
    return f"{account.account_id} ({shown})" if shown else account.account_id


def _several(accounts: Sequence[Named]) -> str:
    shown = ", ".join(map(label, accounts[:_SHOWN]))
    return f"{shown} and {len(accounts) - _SHOWN} more" if len(accounts) > _SHOWN else shown


def _folded(name: str) -> str:
    """A name as people tell names apart: as it is printed, without regard to capitals."""
    return unicodedata.normalize("NFKC", one_line(name)).casefold()


def _near(wanted: str, account_id: str | None, rows: Sequence[N]) -> list[N]:
    """Up to three accounts: ids are compared with ids, names with names."""
    # Of an id a digit or two are wrong; of a name half of the letters may be.
    if account_id is not None:
        keys = {one.account_id: one for one in rows}
        return [keys[key] for key in alike(account_id, keys, cutoff=0.8)]
    same = _folded(wanted)
    if not same:
        return []
    names: dict[str, N] = {}
    for one in rows:
        names.setdefault(_folded(one.name or ""), one)
    # The shorter a name with these letters in it, the likelier it is the one.
    parts = [names[name] for name in sorted(names, key=len) if name and same in name]
    close = [names[name] for name in alike(same, names, cutoff=0.5)]
    return list({one.account_id: one for one in (*close, *parts)}.values())[:3]


__all__ = [
    "AccountAmbiguous",
    "AccountIndex",
    "AccountUnknown",
    "Named",
    "account_id_of",
    "find_account",
    "label",
]
