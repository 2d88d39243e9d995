"""Who calls: the API key of a request, what it may do, how often it may ask."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from meta_pipeline.key_tries import KeyTries
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.silence import over_in
from meta_pipeline.warehouse.stores.api_keys import ApiKeyRow
from meta_pipeline.web.access.api_keys import MEANINGS, Scope, key_of
from meta_pipeline.web.access.visitor import client_address
from meta_pipeline.web.site import Site, site_of

from .problems import Problem

_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="A key such as mp_1f2e..., made by meta-pipeline api-keys create",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)]


class Rates:
    """How often each key asks, and each address tries others, within one process."""

    def __init__(self, per_minute: int) -> None:
        self._allowed = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self.tries = KeyTries()

    def spend(self, key_id: str) -> None:
        """Count a request of a key; too many of them are a Problem."""
        if self._limiter.hit(self._allowed, key_id):
            return
        end = self._limiter.get_window_stats(self._allowed, key_id).reset_time
        seconds = max(1, round(end - time.time()))
        raise Problem(
            "too_many_requests",
            f"this key asks more than {self._allowed.amount} times a minute: try again in "
            f"{seconds} s",
            headers={"Retry-After": str(seconds)},
        )


@dataclass(frozen=True)
class Caller:
    """One request of a program that is let in."""

    site: Site
    key: ApiKeyRow
    now: datetime

    @cached_property
    def warehouse(self) -> Warehouse:
        """The tables as the key's tenant may see them: Postgres shows its rows alone."""
        return self.site.warehouse.of_tenant(self.key.tenant)

    @property
    def name(self) -> str:
        """What the records say of who asked."""
        return f"{self.key.name} (key {self.key.key_id})"


def _known(request: Request, credentials: Credentials) -> Caller:
    site, rates = site_of(request), request.app.state.rates
    assert isinstance(rates, Rates)
    now = site.now()
    text = credentials.credentials if credentials else ""
    key = rates.tries.look_up(
        client_address(request), text, lambda: key_of(site.warehouse, text, now)
    )
    if key is None:
        raise Problem(
            "no_key",
            "send a living key as Authorization: Bearer mp_...; meta-pipeline api-keys create "
            "makes one",
            headers={"WWW-Authenticate": "Bearer"},
        )
    rates.spend(key.key_id)
    return Caller(site, key, now)


Known = Annotated[Caller, Depends(_known)]


@dataclass(frozen=True)
class _May:
    """Lets those in whose key has the scope."""

    needed: Scope

    def __call__(self, caller: Known) -> Caller:
        if str(self.needed) not in caller.key.scopes:
            raise Problem(
                "missing_scope",
                f"this takes the scope {self.needed}, which {MEANINGS[self.needed]}; the key has "
                f"{', '.join(caller.key.scopes)}",
            )
        return caller


MaySend = Annotated[Caller, Depends(_May(Scope.FACTS))]


def _working(needed: Scope) -> Any:
    async def in_slot(caller: Caller = Depends(_May(needed))) -> AsyncIterator[Caller]:  # noqa: B008
        # Programs of a tenant wait for each other, and leave slots to its people.
        async with caller.site.limiter.slot(f"programs of {caller.key.tenant}"):
            # The thread that answers takes this end over with the context it is begun in.
            with over_in(caller.site.page_seconds):
                yield caller

    # Over with the work: while an answer is sent its reader decides how long that takes.
    return Depends(in_slot, scope="function")


Reader = Annotated[Caller, _working(Scope.READ)]
Syncer = Annotated[Caller, _working(Scope.SYNC)]
Sender = Annotated[Caller, _working(Scope.FACTS)]
