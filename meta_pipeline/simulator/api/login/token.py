"""One access token: whose it is, what it may do and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from meta_pipeline.simulator.api.login.directory import USER_NAME

Invalid = Literal["revoked", "password"]


@dataclass(frozen=True)
class Token:
    """One token and what it may do; `accounts` and `businesses` None mean all of the world.

    A token is a snapshot: what its businesses get later is not in it. `client_business_id` is set
    for the system user of a business integration.
    """

    value: str
    user_id: str
    scopes: frozenset[str]
    issued_at: datetime
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    accounts: frozenset[str] | None = None
    kind: str = "USER"
    invalid: Invalid | None = None
    long_lived: bool = False
    user_name: str = USER_NAME
    app_id: str = ""
    businesses: frozenset[str] | None = None
    declined: frozenset[str] = frozenset()
    client_business_id: str | None = None
    # Accounts that may be looked at while what they hold may not.
    withheld: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Token(user_id={self.user_id!r}, kind={self.kind!r}, invalid={self.invalid!r})"

    def granular_scopes(self) -> list[dict[str, Any]]:
        """Each scope with what it is granted for, where that is not everything."""
        return [{"scope": scope, **self._targets(scope)} for scope in sorted(self.scopes)]

    def _targets(self, scope: str) -> dict[str, Any]:
        if scope.startswith("ads_") and self.accounts is not None:
            return {"target_ids": sorted(one.removeprefix("act_") for one in self.accounts)}
        if scope == "business_management" and self.businesses is not None:
            return {"target_ids": sorted(self.businesses)}
        return {}
