"""Care: what connections need by the clock; looked up cheaply, done one by one.

Renewing at 20 days, looking at each token once a day, sweeping what nobody chose, carrying out
what people asked of Meta. What fails is kept with its connection, and stops nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meta_pipeline.graph import GraphError
from meta_pipeline.moments import past
from meta_pipeline.warehouse import ConnectionRow, Warehouse
from meta_pipeline.words import times

from .callbacks.deletion import CarriedOut, carry_out
from .connections import Connections
from .errors import ConnectionsError
from .login.pending import is_over, sweep
from .renewal import Renewal, renew
from .state import ConnectionState

# A token that was revoked is noticed by its next call; this is for those that nobody uses.
LOOKED_AT_EVERY = timedelta(days=1)
TRIED_AGAIN = timedelta(hours=1)
"""What could not be looked at, or not be carried out, is tried again so much later."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now: ids of connections, and how much else."""

    renewals: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    callbacks: int = 0
    sweeps: int = 0

    @property
    def is_anything(self) -> bool:
        return bool(self.renewals or self.looks or self.callbacks or self.sweeps)

    @property
    def sentence(self) -> str:
        """It in words, for people."""
        parts = (
            (len(self.renewals), f"{times(len(self.renewals), 'token')} to renew"),
            (len(self.looks), f"{times(len(self.looks), 'connection')} to look at"),
            (self.callbacks, f"{times(self.callbacks, 'request')} of people to carry out"),
            (self.sweeps, f"{times(self.sweeps, 'login')} to sweep"),
        )
        named = ", ".join(text for count, text in parts if count)
        return f"Due: {named}." if named else "No connection needs anything now."


@dataclass(frozen=True, slots=True)
class Cared:
    """What was done: `looked_at` are ids; `problems` says of ids why it went wrong."""

    renewals: tuple[Renewal, ...]
    looked_at: tuple[str, ...]
    problems: dict[str, str]
    callbacks: tuple[CarriedOut, ...]
    swept: int


def due(warehouse: Warehouse, now: datetime) -> Due:
    """What connections need at `now`, from the tables alone: no key is used, nobody is asked."""
    living = [row for row in warehouse.connections.all() if ConnectionState(row.state).is_usable]
    renewals = tuple(
        row.connection_id
        for row in living
        if row.expires_at and (at := row.renews_at(now)) and at <= now < row.expires_at
    )
    return Due(
        renewals=renewals,
        looks=tuple(
            row.connection_id
            for row in living
            if row.connection_id not in renewals
            and _is_over(
                row.checked_at, LOOKED_AT_EVERY if row.problem is None else TRIED_AGAIN, now
            )
        ),
        callbacks=sum(
            _is_over(row.tried_at, TRIED_AGAIN, now) for row in warehouse.callbacks.open()
        ),
        sweeps=sum(is_over(row, now) for row in warehouse.logins.all()),
    )


def _is_over(last: datetime | None, pause: timedelta, now: datetime) -> bool:
    """Whether a pause since `last` is over; there is none since what was done in the future."""
    done_at = past(last, now)
    return done_at is None or now - done_at >= pause


def take_care(connections: Connections, now: datetime | None = None) -> Cared:
    """Do what is due, one thing after the other; nothing is raised for what Meta answers."""
    due_now = due(connections.warehouse, now or connections.access.clock())
    problems: dict[str, str] = {}
    # People first: what they asked to be deleted must not be renewed before.
    callbacks = tuple(carry_out(connections)) if due_now.callbacks else ()
    renewals = []
    for row in _rows(connections, due_now.renewals):
        try:
            renewals.append(renew(connections, row))
        except ConnectionsError as error:
            _note(connections, row, problems, error)
    looked_at = []
    for row in _rows(connections, due_now.looks):
        try:
            checked = connections.check(row)
            looked_at.append(checked.connection_id)
            if ConnectionState(checked.state).is_usable:
                renew(connections, checked)  # what an earlier renewal left undone
        except (ConnectionsError, GraphError) as error:
            _note(connections, row, problems, error)
    return Cared(tuple(renewals), tuple(looked_at), problems, callbacks, sweep(connections))


def _rows(connections: Connections, ids: Iterable[str]) -> list[ConnectionRow]:
    """The rows as they are now: another process may have been faster, or removed one."""
    rows = (connections.warehouse.connections.get(one) for one in ids)
    return [row for row in rows if row is not None]


def _note(
    connections: Connections, row: ConnectionRow, problems: dict[str, str], error: Exception
) -> None:
    """Keep why with the connection, which its alert tells."""
    problems[row.connection_id] = str(error)
    with connections.warehouse.connection() as connection:
        known = connections.warehouse.connections.get(row.connection_id, connection, locked=True)
        # Also `checked_at`: it was tried, and is not due again before TRIED_AGAIN.
        if known is not None:
            noted = replace(known, problem=str(error), checked_at=connections.access.clock())
            connections.warehouse.connections.save(noted, connection)
