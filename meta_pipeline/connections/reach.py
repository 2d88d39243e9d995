"""Reach: which connections reach which ad accounts, and through which of them one is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from meta_pipeline.graph.tokens import token_key
from meta_pipeline.model.usage import APP, app_key
from meta_pipeline.quality import missing_scopes
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import ConnectionRow, TokenRow, Warehouse

from .state import ConnectionKind, ConnectionState, state_at

ENVIRONMENT = "META_ACCESS_TOKEN"
_FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaConnection:
    """A connection as the choice between several sees it."""

    connection_id: str | None
    """None: it is META_ACCESS_TOKEN."""
    name: str
    kind: ConnectionKind
    app_id: str | None
    app: str
    """The key of its app's meters."""
    scopes: frozenset[str]
    state: ConnectionState
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    problem: str | None = None
    """What Meta refuses a living token with; None while it answers."""
    is_known: bool = True
    """False of META_ACCESS_TOKEN until Meta was asked about it."""
    chosen: frozenset[str] | None = None
    """The ad accounts that were chosen; None: all, also later ones."""

    @classmethod
    def of_environment(
        cls, known: TokenRow | None, own_app_id: str | None, now: datetime
    ) -> MetaConnection:
        """META_ACCESS_TOKEN as it stands at `now`; `known` is what Meta last said of it."""
        state = ConnectionState.ACTIVE
        if known is not None:
            said = ConnectionState.ACTIVE if known.is_valid else ConnectionState.REVOKED
            state = state_at(now, said, known.expires_at, known.data_access_expires_at)
        return cls(
            connection_id=None,
            name=ENVIRONMENT,
            kind=ConnectionKind.ENVIRONMENT,
            app_id=own_app_id,
            app=app_key(known.app_id if known else None, own_app_id),
            scopes=frozenset(known.scopes if known else ()),
            state=state,
            expires_at=known.expires_at if known else None,
            data_access_expires_at=known.data_access_expires_at if known else None,
            is_known=known is not None,
        )

    @property
    def label(self) -> str:
        """Whose it is, for people: `Agency (conn_1f)` or META_ACCESS_TOKEN."""
        return self.name if self.connection_id is None else f"{self.name} ({self.connection_id})"

    @property
    def ends_at(self) -> datetime | None:
        """The nearer end of token and data access; None: no end is known."""
        ends = [end for end in (self.expires_at, self.data_access_expires_at) if end is not None]
        return min(ends, default=None)

    def days_left(self, now: datetime) -> int | None:
        """Whole days until the nearer end, 0 when it is over."""
        return None if self.ends_at is None else max(0, (self.ends_at - now).days)

    def may_reach(self, account_id: str) -> bool:
        """Whether the account is one that it is to be used for."""
        return self.chosen is None or account_id in self.chosen

    @property
    def may_read(self) -> bool:
        return not self.is_known or not missing_scopes(self.scopes)


def in_order(candidates: Iterable[MetaConnection]) -> list[MetaConnection]:
    """Several connections that reach one ad account, the one to use first.

    One that may read and that Meta lets call goes before all others; one with weeks to live before
    one that is about to end; then the one with more rights, then the one that lives longer. What
    nobody asked Meta about comes after what is known. The rest is settled by id, so that every
    process chooses alike.
    """
    return sorted(candidates, key=_rank)


def _rank(one: MetaConnection) -> tuple[object, ...]:
    return (
        # False sorts before True: each line is a question whose good answer is no.
        not one.state.is_usable,
        not one.may_read,
        one.problem is not None,
        one.state is not ConnectionState.ACTIVE,
        not one.is_known,
        -len(one.scopes),
        # Turned around, so that the later end comes first; without an end it lives longest.
        _FOREVER - (one.ends_at or _FOREVER),
        one.connection_id or "",
    )


@dataclass(frozen=True)
class Reach:
    """The connections there are and whom each reaches, as last seen; asks nobody.

    `environment` is META_ACCESS_TOKEN, None where it is not set. `accounts` has the stored
    connections of an account, by its id; `environment_accounts` those META_ACCESS_TOKEN listed.
    """

    now: datetime
    environment: MetaConnection | None = None
    stored: Mapping[str, MetaConnection] = field(default_factory=dict)
    accounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environment_accounts: frozenset[str] = frozenset()

    @classmethod
    def read(
        cls,
        warehouse: Warehouse,
        settings: Settings,
        now: datetime,
        account_id: str | None = None,
        *,
        knows_environment: bool = False,
        anywhere: bool = False,
    ) -> Self:
        """As the tables say: of one account, or of all.

        What is known of META_ACCESS_TOKEN is read where others are there to choose from, or with
        `knows_environment`. With `anywhere` it counts also where it is set for others alone, who
        read with it: so for whoever decides or shows who is read, and asks nobody.
        """
        store = warehouse.connections
        rows = store.living(account_id)
        token = settings.access_token
        key = token_key(token.get_secret_value()) if token else None
        # META_ACCESS_TOKEN alone has nothing to be chosen from: no more is read.
        known = warehouse.tokens.get(key) if key and (rows or knows_environment) else None
        own_app = settings.app_id or (known.app_id if known else None)
        listed = store.listed_by_environment(account_id) if rows else frozenset()
        is_set = key is not None or (anywhere and bool(listed))
        return cls(
            now,
            MetaConnection.of_environment(known, own_app, now) if is_set else None,
            {row.connection_id: connection_of(row, own_app, now) for row in rows},
            store.reaching(account_id) if rows else {},
            listed,
        )

    @property
    def is_plain(self) -> bool:
        """Whether META_ACCESS_TOKEN is all there is."""
        return not self.stored

    def connections(self) -> list[MetaConnection]:
        """Every connection that may be asked, the best first; META_ACCESS_TOKEN whatever is known.

        Its owner may have mended it, and only asking shows it.
        """
        usable = [one for one in self.stored.values() if one.state.is_usable]
        return in_order([*usable, *([self.environment] if self.environment else [])])

    def reaching(self, account_id: str) -> list[MetaConnection]:
        """The connections that reach the account, dead ones too, the best first."""
        candidates = [
            self.stored[one] for one in self.accounts.get(account_id, ()) if one in self.stored
        ]
        if self.environment and (account_id in self.environment_accounts or not candidates):
            candidates.append(self.environment)
        return in_order(candidates)

    def usable(self, account_id: str) -> list[MetaConnection]:
        """Those the account may be read through now, the best first; empty: none is left.

        An account nobody has listed yet may be anybody's, but those with a choice without it.
        """
        candidates = [
            one
            for one in self.reaching(account_id)
            if one.state.is_usable or one.connection_id is None
        ]
        # Of an account that somebody reached and nobody reaches now, asking any token would be
        # guessing.
        if candidates or self.is_reached(account_id):
            return candidates
        return [one for one in self.connections() if one.may_reach(account_id)]

    def is_reached(self, account_id: str) -> bool:
        """Whether a connection has ever listed the account."""
        return account_id in self.environment_accounts or bool(self.accounts.get(account_id))

    def app_of(self, account_id: str) -> str:
        """The key of the app whose meters a sync of the account would move."""
        return next((one.app for one in self.usable(account_id)), APP)

    def why_none(self, account_id: str) -> str | None:
        """Why the account cannot be read by any connection, in a sentence; None where it can."""
        return None if self.usable(account_id) else self.unreachable(account_id)

    def unreachable(self, account_id: str) -> str:
        """That no connection lets us read the account, why, and what to do."""
        among = ", ".join(one.label for one in self.connections())
        if among and not self.is_reached(account_id) and not self.usable(account_id):
            return (
                f"{account_id} is not among the chosen ad accounts of {among}. Choose it: "
                "meta-pipeline connections choose."
            )
        dead = ", ".join(f"{one.label} is {one.state}" for one in self.reaching(account_id))
        return (
            f"{account_id} is reached by no connection that lets us in: {dead or 'there is none'}. "
            "Connect it again, or paste a new token: meta-pipeline connections add --paste."
        )


def connection_of(row: ConnectionRow, own_app_id: str | None, now: datetime) -> MetaConnection:
    """A stored connection as it stands at `now`."""
    return MetaConnection(
        connection_id=row.connection_id,
        name=row.name,
        kind=ConnectionKind(row.kind),
        app_id=row.app_id,
        app=app_key(row.app_id, own_app_id),
        scopes=frozenset(row.scopes),
        state=state_at(now, row.state, row.expires_at, row.data_access_expires_at),
        expires_at=row.expires_at,
        data_access_expires_at=row.data_access_expires_at,
        problem=row.problem,
        chosen=None if row.chosen_accounts is None else frozenset(row.chosen_accounts),
    )
