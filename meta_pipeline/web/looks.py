"""What the checks found, by tenant: looked for by one at a time, and kept for a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from meta_pipeline.quality import Finding

_FRESH = timedelta(minutes=1)
_LONGEST = timedelta(hours=1)
"""Older findings are shown to nobody: accounts may have become another tenant's."""
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Look:
    """The findings of a moment by check; None where a check could not tell."""

    at: datetime
    findings: Mapping[str, Finding | None]


class Looks:
    """Those of one process.

    All checks together read a good part of the tables: many who look at once, or again, are
    answered by one look.
    """

    def __init__(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._free = threading.Lock()
        self._newest: Mapping[str, Look] = {}

    def newest(
        self, tenant: str, now: datetime, look: Callable[[], Mapping[str, Finding | None]]
    ) -> Look | None:
        """What `look` finds now, or what it found for this very tenant within the last minute.

        While somebody else is at it: the tenant's last findings, None where there are none.
        """
        if (known := self._known(tenant, now, _FRESH)) is not None:
            return known
        if not self._free.acquire(timeout=self._patience_seconds):
            return self._known(tenant, now, _LONGEST)
        try:
            # Who waited has what the one before found meanwhile.
            if (known := self._known(tenant, now, _FRESH)) is None:
                known = Look(now, look())
                others = {one for one in self._newest if self._known(one, now, _LONGEST)}
                self._newest = {one: self._newest[one] for one in others} | {tenant: known}
            return known
        finally:
            self._free.release()

    def _known(self, tenant: str, now: datetime, longest: timedelta) -> Look | None:
        known = self._newest.get(tenant)
        return known if known is not None and abs(now - known.at) < longest else None
