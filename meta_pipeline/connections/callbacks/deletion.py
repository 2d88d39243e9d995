"""Carrying out: what a person let in is deleted, the app's other connections are looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from meta_pipeline.chunks import chunks
from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.errors import ConnectionsError
from meta_pipeline.connections.state import LAST_MOMENT, ConnectionState
from meta_pipeline.graph import GraphError
from meta_pipeline.graph.batch import LARGEST_BATCH
from meta_pipeline.moments import LONG_AGO, is_over
from meta_pipeline.warehouse import (
    AccountBusy,
    CallbackRow,
    ConnectionRow,
    Warehouse,
    WarehouseError,
    forget_account,
)

from .proof import Pass, TimeIsOver
from .receipts import meant

TRIED_AGAIN = timedelta(hours=1)
"""What could not be looked at, or not be carried out, is tried again so much later."""
_GOES_ON = timedelta(minutes=1)
"""After a try that ended in between, by its time or by force: the next tick goes on."""
_BEGUN_WITHIN = timedelta(minutes=2)
"""A pass begins nothing after this, as tokens may be due for renewal: what is left goes on soon.

But for its first proof: each pass wins something, however long Meta's lists take.
"""
_ENDED_WITHIN = timedelta(minutes=15)
"""And what it began is over by then, whatever Meta does; or later, by the tokens to be asked."""
_ASKED_WITHIN = timedelta(seconds=30)
"""So much more for each living token: a proof asks one after the other, and half of one is none."""
_ENDED_AT_LAST = timedelta(minutes=45)
"""But no later: the run has an hour, renewals and looks before included."""
_FORGOTTEN_WITHIN = timedelta(minutes=50)
"""After this no further account of a proof is deleted: the next pass proves anew what is left."""
_LOOKED_WITHIN = timedelta(minutes=5)
"""What was heard stays known so long for each living token: a slow pass looks at one alone, and
the first has to be known still when the last is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOut:
    """What became of one callback; `problem` is why not.

    `accounts` are those that this try deleted, `deleted` has the rows of all tries by table. One
    that `goes_on` is not done, and nothing is wrong: its next try does the rest.
    """

    callback: CallbackRow
    deleted: dict[str, int] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    problem: str | None = None
    goes_on: bool = False

    @property
    def is_done(self) -> bool:
        return self.problem is None and not self.goes_on


def waiting(warehouse: Warehouse, now: datetime) -> list[CallbackRow]:
    """The callbacks whose turn it is, those that were not tried for longest first."""
    due = [
        row
        for row in warehouse.callbacks.open()
        if is_over(row.tried_at, TRIED_AGAIN if row.problem else _GOES_ON, now)
    ]
    return sorted(due, key=lambda row: row.tried_at or LONG_AGO)


def carry_out(
    connections: Connections,
    callbacks: Iterable[CallbackRow] | None = None,
    *,
    forgotten: Callable[[str], object] = lambda _: None,
) -> list[CarriedOut]:
    """Carry out callbacks; one that fails is kept, with why, and stops no other.

    `callbacks` are those whose turn it is, without them all that are open. After some minutes the
    rest is left for the next time. `forgotten` is told each ad account as soon as it is deleted.
    """
    ending = connections.access.ending(_ended_within(connections).total_seconds())
    connections = replace(connections, access=ending)
    rows = connections.warehouse.callbacks.open() if callbacks is None else callbacks
    carried_out: list[CarriedOut] = []
    begun_at = connections.access.clock()
    with Pass(connections, begun_at + _BEGUN_WITHIN, begun_at + _FORGOTTEN_WITHIN) as whole:
        for row in rows:
            if carried_out and whole.is_over:
                break
            carried_out.append(Try(whole, row, forgotten).run())
    return carried_out


def _ended_within(connections: Connections) -> timedelta:
    """How long a pass may take: longer with many tokens, unless one is to be renewed meanwhile."""
    now, living = connections.access.clock(), _living(connections)
    grown = min(_ENDED_WITHIN + _ASKED_WITHIN * len(living), _ENDED_AT_LAST)
    ends = (row.expires_at for row in living if row.expires_at and row.expires_at > now)
    return max(_ENDED_WITHIN, min((grown, *(end - LAST_MOMENT - now for end in ends))))


def _living(connections: Connections) -> list[ConnectionRow]:
    rows = connections.warehouse.connections.living()
    return [row for row in rows if ConnectionState(row.state).is_usable]


@dataclass(slots=True)
class Try:
    """One try to carry a callback out, and how far it got."""

    whole: Pass
    callback: CallbackRow
    forgotten: Callable[[str], object]
    accounts: list[str] = field(default_factory=list)
    why_open: dict[str, str] = field(default_factory=dict)
    deleted: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.deleted = Counter(self.callback.deleted or {})

    def run(self) -> CarriedOut:
        """Do what is asked, as far as it goes, and note it."""
        connections, callbacks = self.whole.connections, self.whole.connections.warehouse.callbacks
        callbacks.begun(self.callback, connections.access.clock())
        goes_on = False
        try:
            self._delete() if self.callback.kind == "data_deletion" else self._look_around()
        except TimeIsOver:
            # With nothing won and something wrong, going on at once would meet the same.
            goes_on = bool(self.accounts) or not self.why_open
        except (GraphError, ConnectionsError, WarehouseError) as error:
            self.why_open[""] = str(error)
        problem = None if goes_on else next(iter(self.why_open.values()), None)
        if goes_on or problem:
            callbacks.left(self.callback, problem, connections.access.clock())
        return CarriedOut(
            callback=self.callback,
            deleted={name: rows for name, rows in self.deleted.items() if rows},
            accounts=tuple(self.accounts),
            problem=problem,
            goes_on=goes_on,
        )

    def _look_around(self) -> None:
        """Ask Meta about the app's other connections.

        A business integration's token carries the id of its system user, never that of the person
        who gave it: whether it ended with them only Meta can say. One of which it does not is
        looked at again like every connection with a problem.
        """
        for row in self.whole.connections.warehouse.connections.living():
            is_meant = self.callback.app_id in ("", row.app_id)
            is_known = self.whole.is_known(row, self.callback.received_at)
            if is_meant and not is_known and ConnectionState(row.state).is_usable:
                self.whole.look(row)
        self._finish([])

    def _delete(self) -> None:
        """Delete connections, what waits for a choice, and the accounts that nobody else reaches.

        The accounts of a proof go all together, as asking is what takes long; the connections last:
        by them the next try finds what is left, after whatever ended this one.
        """
        connections = self.whole.connections
        with connections.warehouse.connection() as connection:
            rows = meant(connections, self.callback, connection)
        theirs = {row.connection_id for row in rows}
        store = connections.warehouse.connections
        reached = {one for row in rows for one in store.accounts(row.connection_id)}
        since = self._since()
        for accounts in chunks(self.whole.unlisted(reached, theirs, since), LARGEST_BATCH):
            alone, why_open = self.whole.prove(accounts, theirs, since)
            self.why_open |= why_open
            for account_id in alone:
                self._forget(account_id, theirs)
                self.whole.go_on(self.whole.ends_at)
        if not self.why_open:
            self._finish(rows)

    def _since(self) -> datetime:
        """What was heard of others before this is asked again; a try that goes on need not."""
        connections = self.whole.connections
        failed_at = self.callback.tried_at if self.callback.problem else None
        known_for = max(TRIED_AGAIN, _LOOKED_WITHIN * len(_living(connections)))
        return max(failed_at or self.callback.received_at, connections.access.clock() - known_for)

    def _forget(self, account_id: str, theirs: Set[str]) -> None:
        if self.whole.is_noted(account_id, theirs):
            return
        warehouse = self.whole.connections.warehouse
        try:
            self.deleted.update(forget_account(warehouse.url, account_id))
        except AccountBusy as error:
            self.why_open[account_id] = str(error)
            return
        self.accounts.append(account_id)
        warehouse.callbacks.went_on(self.callback, self.deleted)
        self.forgotten(account_id)

    def _finish(self, rows: list[ConnectionRow]) -> None:
        """What is left of the person goes with the word that it is done, in one transaction."""
        connections, callback = self.whole.connections, self.callback
        warehouse = connections.warehouse
        with warehouse.connection() as connection:
            for row in rows:
                removed = connections.erase(row, callback.confirmation_code, connection)
                self.deleted.update(removed)
            if callback.kind == "data_deletion":
                of_user = (callback.app_id, str(callback.user_id))
                erased = warehouse.logins.erase(*of_user, connection)
                self.deleted["pending_connections"] += erased
            told = {name: rows for name, rows in self.deleted.items() if rows}
            warehouse.callbacks.done(callback, told, connections.access.clock(), connection)
