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

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.stores.api_keys import ApiKeyRow
from meta_pipeline.web.access.api_keys import MEANINGS, Scope, key_of
from meta_pipeline.web.site import Site, site_of

from .problems import Problem

# As for signing in: more than slips, too few to guess with.
_WRONG_KEYS = RateLimitItemPerMinute(20)
_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="A key such as mp_1f2e..., made by meta-pipeline api-keys create",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)]


class Rates:
    """How often each key asks, within one process."""

    def __init__(self, per_minute: int) -> None:
        self._allowed = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def spend(self, key_id: str) -> None:
        """Count a request of a key; too many of them are a Problem."""
        self._spend(self._allowed, f"key {key_id}", "this key asks")

    def refuse(self, address: str) -> None:
        """Count a wrong key from an address; too many of them are a Problem."""
        self._spend(_WRONG_KEYS, f"address {address}", "this address tries keys")

    def _spend(self, item: RateLimitItemPerMinute, who: str, what: str) -> None:
        if self._limiter.hit(item, who):
            return
        end = self._limiter.get_window_stats(item, who).reset_time
        seconds = max(1, round(end - time.time()))
        raise Problem(
            "too_many_requests",
            f"{what} more than {item.amount} times a minute: try again in {seconds} s",
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
    key = key_of(site.warehouse, credentials.credentials, now) if credentials else None
    if key is None:
        # Only wrong keys count against an address: many programs may share one.
        rates.refuse(request.client.host if request.client else "")
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
            yield caller

    # Over with the work: while an answer is sent its reader decides how long that takes.
    return Depends(in_slot, scope="function")


Reader = Annotated[Caller, _working(Scope.READ)]
Syncer = Annotated[Caller, _working(Scope.SYNC)]
Sender = Annotated[Caller, _working(Scope.FACTS)]
