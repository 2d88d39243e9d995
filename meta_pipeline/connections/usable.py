"""Usable connections: the clients a process asks Meta with, and whose account goes over which."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from meta_pipeline.graph import (
    AppRefused,
    GraphClient,
    GraphError,
    ObjectMissing,
    PermissionDenied,
    Reauthorize,
    Retriable,
    Throttled,
)
from meta_pipeline.graph.tokens import token_key
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Connection, Warehouse

from .errors import ConnectionsError
from .reach import MetaConnection, Reach
from .sealing import Keyring, Sealed
from .state import ConnectionState, ended_as

logger = logging.getLogger(__name__)

_PASTE = "meta-pipeline connections add --paste"


@dataclass(frozen=True, slots=True)
class UsableConnection:
    """A connection with its client, which asks with its token, signed where that is our app's."""

    details: MetaConnection
    client: GraphClient

    @property
    def token_key(self) -> str:
        return self.client.token_key


@dataclass
class Avoided:
    """What Meta refused while one account was read: tokens and apps by key, and what was asked."""

    tokens: set[str] = field(default_factory=set)
    apps: set[str] = field(default_factory=set)
    asked: set[tuple[str, str | None]] = field(default_factory=set)
    """Token and endpoint whose refusal was followed by a question about the account itself."""

    def has(self, one: UsableConnection) -> bool:
        return one.token_key in self.tokens or one.details.app in self.apps


@dataclass
class UsableConnections:
    """The connections of one process: that of the environment and the stored ones.

    `base` is the client whose connection pool all share, under META_ACCESS_TOKEN where that is
    set. `actor` is who marks a connection that Meta refuses, for the audit. Thread-safe.
    """

    warehouse: Warehouse
    settings: Settings
    keyring: Callable[[], Keyring]
    base: GraphClient
    clock: Callable[[], datetime]
    actor: str = "sync"
    _clients: dict[str, GraphClient] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reach(self, account_id: str | None = None) -> Reach:
        """Who reaches an account, or each of them."""
        return Reach.read(self.warehouse, self.settings, self.clock(), account_id)

    def connection(self, connection_id: str | None) -> MetaConnection | None:
        """A connection as it stands now, None: META_ACCESS_TOKEN; None where it is gone."""
        reach = Reach.read(self.warehouse, self.settings, self.clock(), "", knows_environment=True)
        return reach.stored.get(connection_id) if connection_id else reach.environment

    @property
    def has_environment(self) -> bool:
        """Whether META_ACCESS_TOKEN is set."""
        return self.settings.access_token is not None

    def of_account(self, account_id: str, avoided: Avoided | None = None) -> UsableConnection:
        """The connection the account is read through, none that was refused.

        Raises Reauthorize when none is left, without a call.
        """
        reach = self.reach(account_id)
        problems = []
        for one in reach.usable(account_id):
            opened = self.opened(one)
            if isinstance(opened, str):
                problems.append(opened)
            elif avoided is None or not avoided.has(opened):
                return opened
        told = "; ".join((reach.unreachable(account_id), *problems))
        raise Reauthorize(told, account_id=account_id, next_step="See meta-pipeline connections.")

    def any(self) -> UsableConnection:
        """The connection for calls that are of no account: META_ACCESS_TOKEN where it is set."""
        reach = self.reach("")
        candidates = [reach.environment] if reach.environment else reach.connections()
        problems = []
        for one in candidates:
            opened = self.opened(one)
            if isinstance(opened, UsableConnection):
                return opened
            problems.append(opened)
        told = "; ".join(["There is no connection that lets us in", *problems])
        raise Reauthorize(f"{told}.", next_step="Set META_ACCESS_TOKEN, or add a connection.")

    def each(self) -> tuple[list[UsableConnection], list[str]]:
        """All that can be asked, the best first, and why others cannot."""
        connections, problems = list[UsableConnection](), list[str]()
        for one in self.reach("").connections():
            opened = self.opened(one)
            if isinstance(opened, str):
                problems.append(opened)
            else:
                connections.append(opened)
        return connections, problems

    def opened(self, one: MetaConnection) -> UsableConnection | str:
        """The connection with its client; why it has none, where its token does not open."""
        if one.connection_id is None:
            return UsableConnection(one, self.base)
        try:
            token = read_token(self.warehouse, self.keyring, one.connection_id)
        except ConnectionsError as error:
            return f"{one.label}: {error}"
        if token is None:
            return f"{one.label} has no token any more"
        # One client for each token: they share the connections to Meta.
        with self._lock:
            key = token_key(token)
            if key not in self._clients:
                signs = self.settings.app_id in (None, one.app_id)
                self._clients[key] = self.base.with_token(token, signs=signs, app=one.app)
            return UsableConnection(one, self._clients[key])

    def after(
        self,
        left: UsableConnection,
        error: GraphError,
        account_id: str,
        avoided: Avoided,
        ask: Callable[[], GraphError | None],
    ) -> UsableConnection | None:
        """What an account goes on over when Meta refuses a connection; None: it stays with it.

        A dead token is marked, unless it was renewed meanwhile: then its new one goes on. Any other
        refusal may concern one part alone: `ask` tells what Meta says of the account itself over
        the same connection, and is asked only where another could go on. `avoided` is added to.
        """
        if not isinstance(error, Reauthorize):
            told = self._of_the_account(left, error, account_id, avoided, ask)
            if told is None:
                return None
            error = told
        if isinstance(error, Reauthorize):
            avoided.tokens.add(left.token_key)
            self.note_refusal(left, error, account_id)
        # The app is blocked: its other tokens would be refused with the same words.
        elif isinstance(error, AppRefused):
            avoided.apps.add(left.details.app)
            self.note_answer(left, error)
        else:
            avoided.tokens.add(left.token_key)
            self.note_lost(left, account_id, error)
        following = self._next(account_id, avoided)
        if following is not None:
            text = "%s: %s no longer lets us in, goes on over %s: %s"
            logger.warning(
                text, account_id, left.details.label, following.details.label, error.message
            )
        return following

    def _of_the_account(
        self,
        left: UsableConnection,
        error: GraphError,
        account_id: str,
        avoided: Avoided,
        ask: Callable[[], GraphError | None],
    ) -> GraphError | None:
        """The refusal of the account itself; None where another would not help, or nothing says so.

        Asked once for each endpoint that is refused: a part that one may not have stays so.
        """
        question = (left.token_key, error.endpoint_key)
        # Asking costs a call: only where somebody else could go on.
        without = Avoided(avoided.tokens | {left.token_key}, avoided.apps)
        if question in avoided.asked or self._next(account_id, without) is None:
            return None
        avoided.asked.add(question)
        told = ask()
        concerns = isinstance(told, Reauthorize | AppRefused | PermissionDenied | ObjectMissing)
        return told if concerns else None

    def _next(self, account_id: str, avoided: Avoided) -> UsableConnection | None:
        with suppress(Reauthorize):
            return self.of_account(account_id, avoided)
        return None

    def note_lost(self, left: UsableConnection, account_id: str, error: GraphError) -> None:
        """Note that a connection does not reach the account any more, until it lists it again."""
        store, now = self.warehouse.connections, self.clock()
        with self.warehouse.connection() as connection:
            if left.details.connection_id is None:
                store.unlist(account_id, connection)
                return
            # Locked: threads of one sync and other processes find out the same at the same time.
            known = store.get(left.details.connection_id, connection, locked=True)
            if known is None or not store.lose(left.details.connection_id, account_id, connection):
                return
            detail = {"accounts_lost": [account_id], "problem": str(error)}
            store.record(
                known, "checked", at=now, actor=self.actor, detail=detail, connection=connection
            )
            self.take_back(connection)

    def take_back(self, connection: Connection) -> None:
        """Take back the accounts that tenants' connections lost: `TenantStore.take_back`."""
        self.warehouse.tenants.take_back(self.actor, connection)

    def note_refusal(
        self, dead: UsableConnection, error: Reauthorize, account_id: str | None = None
    ) -> None:
        """Mark the connection whose token Meta refuses, with why, and write it to the audit."""
        now = self.clock()
        if dead.details.connection_id is None:
            # META_ACCESS_TOKEN, where others can go on in its place.
            if not self.reach("").is_plain:
                self.warehouse.tokens.refused(dead.token_key, str(error), now)
            return
        error.next_step = f"Connect {dead.details.label} again, or paste a new token: {_PASTE}."
        store = self.warehouse.connections
        with self.warehouse.connection() as connection:
            known = store.get(dead.details.connection_id, connection, locked=True)
            current = store.current_token(dead.details.connection_id, connection)
            if known is None or current is None or current.token_key != dead.token_key:
                return  # renewed, replaced or removed meanwhile: this is about another token
            if not ConnectionState(known.state).is_usable:
                return
            state = ended_as(error.subcode, now, known.expires_at, known.data_access_expires_at)
            ended = replace(known, state=state, problem=str(error), checked_at=now)
            store.save(ended, connection)
            detail = {"code": error.code_text, "problem": str(error), "account_id": account_id}
            store.record(
                ended, str(state), at=now, actor=self.actor, detail=detail, connection=connection
            )
        logger.warning("connection %s is %s: %s", dead.details.label, state, error)

    def note_answer(self, asked: UsableConnection, error: GraphError | None) -> None:
        """Keep whether Meta answers a living token's calls: where it does not, others go first.

        `error` is what it was refused with; one that passes by itself says nothing.
        """
        if asked.details.connection_id is None or isinstance(error, Retriable | Throttled):
            return
        problem = None if error is None else str(error)
        # The same as before is no news: most answers end here, without a transaction.
        if (problem is None) == (asked.details.problem is None):
            return
        store, now = self.warehouse.connections, self.clock()
        with self.warehouse.connection() as connection:
            known = store.get(asked.details.connection_id, connection, locked=True)
            if known is None or not ConnectionState(known.state).is_usable:
                return
            store.save(replace(known, problem=problem, checked_at=now), connection)
            detail = {"problem": {"from": known.problem, "to": problem}}
            store.record(
                known, "checked", at=now, actor=self.actor, detail=detail, connection=connection
            )


def first_token(
    warehouse: Warehouse, settings: Settings, keyring: Callable[[], Keyring], now: datetime
) -> str | None:
    """A stored token to begin with where META_ACCESS_TOKEN is not set; None: there is none.

    Raises ConnectionsError when there are some and none of them opens.
    """
    problem: ConnectionsError | None = None
    for one in Reach.read(warehouse, settings, now).connections():
        if one.connection_id is None:
            continue
        try:
            token = read_token(warehouse, keyring, one.connection_id)
        except ConnectionsError as error:
            problem = problem or error
            continue
        if token is not None:
            return token
    if problem is not None:
        raise problem
    return None


def read_token(
    warehouse: Warehouse, keyring: Callable[[], Keyring], connection_id: str
) -> str | None:
    """The token of a connection that is in use; None when it has none."""
    with warehouse.connection() as connection:
        row = warehouse.connections.get(connection_id, connection)
        stored = warehouse.connections.current_token(connection_id, connection)
    if row is None or stored is None:
        return None
    sealed = Sealed(stored.key_id, bytes(stored.sealed))
    return keyring().open(sealed, tenant=row.tenant, connection_id=connection_id)
