"""Proof that nobody else reaches an ad account: it is itself asked for with every other token.

No list of Meta's is proof, as one can come empty or short: lists only spare questions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.errors import ConnectionsError
from meta_pipeline.connections.state import ConnectionState
from meta_pipeline.graph import GraphClient, GraphError
from meta_pipeline.moments import past
from meta_pipeline.warehouse import ConnectionRow

logger = logging.getLogger("meta_pipeline.connections")

_HOUSE = "META_ACCESS_TOKEN"
_ELSEWHERE = (
    f"{_HOUSE} listed it last and is not set here: set it where connections are cared for. Where "
    "it was taken out for good, the next discovery of ad accounts says so."
)


class TimeIsOver(Exception):
    """Nothing new is begun: what is left is for the next pass."""


@dataclass(slots=True)
class Other:
    """Somebody else's token, and the accounts that it `listed`: those need no question.

    `problem` is why it cannot be asked; once it is set, it is not asked again in this pass.
    """

    name: str
    app_id: str
    token: str = field(default="", repr=False)
    listed: Set[str] = frozenset()
    problem: str | None = None


@dataclass(slots=True)
class Pass:
    """One pass over what waits: its looks at connections and its way to Meta are for all of it.

    After `until` nothing new is begun but its first proof, and after `ends_at` what is begun is
    left where it is. Use it in a `with`.
    """

    connections: Connections
    until: datetime
    ends_at: datetime
    _looked_at: dict[str, ConnectionRow] = field(default_factory=dict)
    _others: dict[str, Other] = field(default_factory=dict)
    _client: GraphClient | None = None
    _has_proved: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    @property
    def is_over(self) -> bool:
        return self.connections.access.clock() >= self.until

    def go_on(self, until: datetime | None = None) -> None:
        """Raise TimeIsOver where it is, or where a later `until` is."""
        if self.connections.access.clock() >= (until or self.until):
            raise TimeIsOver

    def is_known(self, row: ConnectionRow, since: datetime) -> bool:
        """Whether the connection was looked at since then, by whomever."""
        looked_at = past(row.checked_at, self.connections.access.clock())
        return looked_at is not None and looked_at > since

    def look(self, row: ConnectionRow) -> ConnectionRow:
        """Ask Meta about a connection, once in a pass; why it does not say is kept with it."""
        if row.connection_id not in self._looked_at:
            self.go_on()
            try:
                looked_at = self.connections.check(row)
            except (GraphError, ConnectionsError) as error:
                logger.warning("Connection %s could not be looked at: %s", row.connection_id, error)
                self._others[row.connection_id] = _unasked(row, error)
                self.connections.note(row, error)
                looked_at = row
            self._looked_at[row.connection_id] = looked_at
        return self._looked_at[row.connection_id]

    def unlisted(self, accounts: Collection[str], theirs: Set[str], since: datetime) -> list[str]:
        """Those of the accounts that no list names as anybody's whose connection is not `theirs`.

        A list that came after `since` is not asked for again.
        """
        if not (left := self._unnoted(accounts, theirs)):
            return []
        others = list(self._living(theirs, since))
        # Once more: what a passing refusal took from a connection, Meta has listed to it again.
        left = self._unnoted(left, theirs)
        return [one for one in left if not any(one in other.listed for other in others)]

    def prove(
        self, accounts: Sequence[str], theirs: Set[str], since: datetime
    ) -> tuple[list[str], dict[str, str]]:
        """The accounts that only `theirs` reach, as every other token says; why it is open of some.

        Raises TimeIsOver where it is, but for the first: the next pass would come no further.
        """
        if self._has_proved:
            self.go_on()
        self._has_proved = True
        house = self.connections.access.settings.access_token
        store = self.connections.warehouse.connections
        of_house = frozenset[str]() if house is not None else store.listed_by_environment()
        left, why_open = list(accounts), dict.fromkeys(of_house.intersection(accounts), _ELSEWHERE)
        for other in self._living(theirs, since):
            if not left:
                break
            said = self._said(other, left)
            left = [one for one in left if said[one] is not True]
            why_open = {one: str(said[one]) for one in left if said[one]} | why_open
        alone = [one for one in left if one not in why_open]
        return alone, {one: why_open[one] for one in left if one in why_open}

    def is_noted(self, account_id: str, theirs: Set[str]) -> bool:
        """Whether anybody else is noted to reach it, also somebody who connected a moment ago."""
        reaching = self.connections.warehouse.connections.reaching(account_id)
        return not theirs >= set(reaching.get(account_id, ()))

    def _unnoted(self, accounts: Collection[str], theirs: Set[str]) -> list[str]:
        """Those that no other connection is noted to reach, also of the ended ones."""
        reaching = self.connections.warehouse.connections.reaching()
        return sorted(one for one in accounts if theirs >= set(reaching.get(one, ())))

    def _living(self, theirs: Set[str], since: datetime) -> Iterator[Other]:
        """Everybody else whose token lives, as Meta says since then; META_ACCESS_TOKEN last."""
        for row in self.connections.warehouse.connections.living():
            if row.connection_id in theirs or not ConnectionState(row.state).is_usable:
                continue
            asked = row if self.is_known(row, since) else self.look(row)
            if ConnectionState(asked.state).is_usable:
                if row.connection_id not in self._others:
                    self._others[row.connection_id] = self._opened(asked)
                yield self._others[row.connection_id]
        token = self.connections.access.settings.access_token
        if token is not None:
            if _HOUSE not in self._others:
                self._others[_HOUSE] = self._house(token.get_secret_value())
            yield self._others[_HOUSE]

    def _opened(self, row: ConnectionRow) -> Other:
        if row.problem is not None:
            return _unasked(row, row.problem)
        try:
            token = self.connections.token(row)
        except ConnectionsError as error:
            return _unasked(row, error)
        return Other(f"Connection {row.connection_id}", row.app_id, token)

    def _house(self, token: str) -> Other:
        """Asked for its list now; of one that is refused nobody knows what is the house's."""
        access = self.connections.access
        house = Other(_HOUSE, access.settings.app_id or "", token)
        try:
            house.listed = access.owner(token, app_id=house.app_id).accounts.keys()
        except GraphError as error:
            house.problem = f"Meta does not say which ad accounts {_HOUSE} reaches. {error}"
        return house

    def _said(self, other: Other, accounts: Sequence[str]) -> dict[str, bool | str]:
        """Whether the token reaches each account; a text is why that is open."""
        asked = [one for one in accounts if one not in other.listed]
        said: dict[str, bool | str] = dict.fromkeys(accounts, True)
        if asked and other.problem is None:
            try:
                answers = self.connections.access.reaches(self._client_of(other), asked)
            except GraphError as error:
                other.problem = f"{other.name} could not be asked: {error}"
            else:
                return said | {
                    one: f"{other.name}: {answer}" if isinstance(answer, GraphError) else answer
                    for one, answer in answers.items()
                }
        return said | dict.fromkeys(asked, other.problem or False)

    def _client_of(self, other: Other) -> GraphClient:
        """Over one connection to Meta, whoever's the token is."""
        access = self.connections.access
        if self._client is None:
            self._client = access.client(other.token, app_id=access.settings.app_id)
        return access.beside(self._client, other.token, app_id=other.app_id)


def _unasked(row: ConnectionRow, error: object) -> Other:
    """A connection that leaves open whatever it may reach."""
    problem = (
        f"Connection {row.connection_id} cannot be asked what it reaches: {error} If it is never "
        f"to be used again: `meta-pipeline connections remove {row.connection_id}`."
    )
    return Other(f"Connection {row.connection_id}", row.app_id, problem=problem)
