"""Runs of the checks for pages: one at a time, whose findings its tenant has for a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from meta_pipeline.quality import Finding

_FRESH = timedelta(minutes=1)
"""Older findings are shown to nobody: accounts may have become another tenant's."""
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class CheckRun:
    """The findings of a moment by check; None where a check could not tell."""

    at: datetime
    findings: Mapping[str, Finding | None]


class CheckRuns:
    """The newest of each tenant, in one process.

    All checks together read a good part of the tables: many who ask at once, or again, are answered
    by one run.
    """

    def __init__(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._free = threading.Lock()
        self._newest: Mapping[str, CheckRun] = {}

    def newest(
        self, tenant: str, now: datetime, run: Callable[[], Mapping[str, Finding | None]]
    ) -> CheckRun | None:
        """What `run` finds now, or what it found for this very tenant within the last minute.

        None while the checks are run for somebody else, and that takes longer than a few seconds.
        """
        if (known := self._fresh(tenant, now)) is not None:
            return known
        if not self._free.acquire(timeout=self._patience_seconds):
            return None
        try:
            # Who waited has what the one before found meanwhile.
            if (known := self._fresh(tenant, now)) is None:
                known = CheckRun(now, run())
                fresh = {one: self._newest[one] for one in self._newest if self._fresh(one, now)}
                self._newest = fresh | {tenant: known}
            return known
        finally:
            self._free.release()

    def _fresh(self, tenant: str, now: datetime) -> CheckRun | None:
        known = self._newest.get(tenant)
        return known if known is not None and abs(now - known.at) < _FRESH else None
