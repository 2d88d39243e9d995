"""Care: what connections need by the clock; looked up cheaply, done one by one.

Renewing at 20 days, looking at each token once a day, sweeping what nobody chose, carrying out
what people asked of Meta. What fails is kept with its connection, and stops nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from meta_pipeline.graph import GraphError
from meta_pipeline.moments import is_over as is_pause_over
from meta_pipeline.warehouse import CallbackRow, ConnectionRow, Warehouse
from meta_pipeline.words import times

from .callbacks.deletion import TRIED_AGAIN, CarriedOut, carry_out, waiting
from .connections import Connections
from .errors import ConnectionsError
from .login.pending import is_over, sweep
from .renewal import Renewal, renew
from .state import ConnectionState

# A token that was revoked is noticed by its next call; this is for those that nobody uses.
LOOKED_AT_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now: ids of connections, what people asked for, and how much else."""

    renewals: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    callbacks: tuple[CallbackRow, ...] = ()
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
            (
                len(self.callbacks),
                f"{times(len(self.callbacks), 'request')} of people to carry out",
            ),
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
            and is_pause_over(
                row.checked_at, LOOKED_AT_EVERY if row.problem is None else TRIED_AGAIN, now
            )
        ),
        callbacks=tuple(waiting(warehouse, now)),
        sweeps=sum(is_over(row, now) for row in warehouse.logins.all()),
    )


def take_care(
    connections: Connections, *, forgotten: Callable[[str], object] = lambda _: None
) -> Cared:
    """Do what is due, one thing after the other; nothing is raised for what Meta answers.

    `forgotten` is told each ad account that somebody had deleted.
    """
    due_now = due(connections.warehouse, connections.access.clock())
    renewals, looked_at, problems = list[Renewal](), list[str](), dict[str, str]()
    # The rows as they are now: another process may have been faster, or removed one.
    rows = map(connections.warehouse.connections.get, (*due_now.renewals, *due_now.looks))
    for row in filter(None, rows):
        try:
            if row.connection_id in due_now.renewals:
                renewals.append(renew(connections, row))
            else:
                looked_at.append(look(connections, row))
        except (ConnectionsError, GraphError) as error:
            problems[row.connection_id] = connections.note(row, error)
    swept = sweep(connections)
    # Last, as it takes minutes. What is to be deleted is renewed by nobody: its tokens are gone.
    callbacks = carry_out(connections, due_now.callbacks, forgotten=forgotten)
    return Cared(tuple(renewals), tuple(looked_at), problems, tuple(callbacks), swept)


def look(connections: Connections, row: ConnectionRow) -> str:
    """Ask Meta about a connection, and do what an earlier renewal left undone; its id."""
    checked = connections.check(row)
    if ConnectionState(checked.state).is_usable:
        renew(connections, checked)
    return checked.connection_id
