"""One access token: whose it is, what it may do and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from meta_pipeline.simulator.api.login.directory import USER_NAME

Invalid = Literal["revoked", "password"]


@dataclass(frozen=True)
class Token:
    """One token and what it may do: a snapshot, without what its businesses get later."""

    value: str
    user_id: str
    scopes: frozenset[str]
    issued_at: datetime
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    accounts: frozenset[str] | None = None
    """Those it may read; None: all of the world. So `businesses`."""
    kind: str = "USER"
    invalid: Invalid | None = None
    """How it ended before its time; None: it did not."""
    long_lived: bool = False
    user_name: str = USER_NAME
    app_id: str = ""
    businesses: frozenset[str] | None = None
    declined: frozenset[str] = frozenset()
    """Scopes that were asked for and kept back."""
    client_business_id: str | None = None
    """Set for the system user of a business integration."""
    withheld: frozenset[str] = frozenset()
    """Accounts that may be looked at while what they hold may not."""

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
