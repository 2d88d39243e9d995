"""The connections that `meta-pipeline check` asks over: META_ACCESS_TOKEN, stored connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from meta_pipeline.embedded import EmbeddedPostgresError
from meta_pipeline.graph import Attempt, GraphClient
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse, WarehouseError
from meta_pipeline.warehouse.connect import READER

from .finding import CheckFinding
from .time_limit import TimeLimit

ENVIRONMENT = "META_ACCESS_TOKEN"


@dataclass(frozen=True, slots=True)
class AskedConnection:
    """A connection with its client; `chosen` are the accounts that are read over it, None: all."""

    label: str
    client: GraphClient
    chosen: frozenset[str] | None = None

    @property
    def is_environment(self) -> bool:
        return self.label == ENVIRONMENT

    def accounts(self, limit: TimeLimit) -> Iterator[dict[str, Any]]:
        """The accounts it lists, of those that are read over it; GraphError where it may not, or
        not in what is left of the time. Nothing is asked where nothing is.
        """
        if not limit.left:
            raise limit.over()
        for page in self.client.within(limit.left).pages(
            "me/adaccounts",
            {"fields": "id,name,currency,timezone_name,account_status"},
            account_id=None,
            endpoint_key="ad_accounts_list",
            page_size=200,
        ):
            yield from (one for one in page.rows if self.chosen is None or one["id"] in self.chosen)


@contextmanager
def opened_connections(
    its_url: AbstractContextManager[str],
    settings: Settings,
    on_attempt: Callable[[Attempt], None],
) -> Iterator[tuple[list[AskedConnection], list[CheckFinding]]]:
    """META_ACCESS_TOKEN where it is set, then the living stored connections, the best first.

    With it, what is wrong with those that cannot be asked. A database that cannot be asked has
    none; what is wrong with it is told by its own findings.
    """
    with ExitStack() as clients:
        connections: list[AskedConnection] = []
        problems: list[CheckFinding] = []
        if settings.access_token is not None:
            client = clients.enter_context(_client(settings, settings.require_token()))
            connections.append(
                AskedConnection(ENVIRONMENT, client.with_options(on_attempt=on_attempt))
            )
        with suppress(WarehouseError, EmbeddedPostgresError, psycopg.Error):
            for label, token, app_id, chosen in _stored(its_url, settings, problems):
                client = clients.enter_context(_client(settings, token, app_id))
                connections.append(
                    AskedConnection(label, client.with_options(on_attempt=on_attempt), chosen)
                )
        yield connections, problems


def _client(settings: Settings, token: str, app_id: str | None = None) -> GraphClient:
    from meta_pipeline.connections import Access

    return Access(settings).client(token, app_id=app_id or settings.app_id)


def _stored(
    its_url: AbstractContextManager[str], settings: Settings, problems: list[CheckFinding]
) -> Iterator[tuple[str, str, str | None, frozenset[str] | None]]:
    """Label, token, app and chosen accounts of each living stored connection."""
    from meta_pipeline.connections import ConnectionsError, Keyring, Reach, read_token

    keyring = partial(Keyring.of, settings)

    with its_url as url, Warehouse(url, max_connections=1, patience=READER) as warehouse:
        if warehouse.pending():
            return
        rows = {row.connection_id: row for row in warehouse.connections.all()}
        for one in Reach.read(warehouse, settings, datetime.now(UTC)).connections():
            # META_ACCESS_TOKEN is among them too, and stands first already.
            if one.connection_id is None:
                continue
            try:
                token = read_token(warehouse, keyring, one.connection_id)
            except ConnectionsError as error:
                # The others are asked all the same.
                problems.append(CheckFinding("Connection", one.label, ok=False, text=str(error)))
                continue
            chosen = rows[one.connection_id].chosen_accounts
            if token is not None:
                yield one.label, token, one.app_id, None if chosen is None else frozenset(chosen)
