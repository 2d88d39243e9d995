"""Every Graph API attempt of one sync: counted, weighed, handed to telemetry and to the quota."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from meta_pipeline.governor import Weights
from meta_pipeline.graph import Attempt
from meta_pipeline.graph.call import Operation
from meta_pipeline.model.usage import ADS_INSIGHTS, use_case_of

from .weights import weight_of

# Facts of an attempt that are no columns of meta_api_logs.
_NOT_LOGGED = ("counted_calls", "operations", "version_notice", "usage", "limit", "app")


class Pauses:
    """How long each thread was kept waiting for quota before its next call, and why."""

    def __init__(self) -> None:
        # The gate and the call after it run in one thread, and hand each other nothing.
        self._of_thread = threading.local()

    def note(self, seconds: float, reason: str) -> None:
        """Take a pause of this thread, before the call it is going to make."""
        before = getattr(self._of_thread, "seconds", 0.0)
        self._of_thread.seconds, self._of_thread.reason = before + seconds, reason

    def taken(self) -> dict[str, Any]:
        """The pause before the call this thread made, as columns of `meta_api_logs`; once."""
        seconds = getattr(self._of_thread, "seconds", 0.0)
        self._of_thread.seconds = 0.0
        if not seconds:
            return {}
        return {"waited_ms": seconds * 1000, "wait_reason": self._of_thread.reason}


class CallCounter:
    """Counts the attempts of one sync, in whichever thread they are made."""

    def __init__(
        self,
        sync_run_id: str | None,
        log: Callable[[Mapping[str, Any]], None],
        observe: Callable[[Attempt], None],
        weights: Weights,
        pauses: Pauses,
    ) -> None:
        self._sync_run_id = sync_run_id
        self._pauses = pauses
        self._log = log
        self._observe = observe
        self._weights = weights
        self._lock = threading.Lock()
        self.calls = 0
        self.insights_calls = 0
        self.weighted_cost = 0.0

    def note(self, attempt: Attempt) -> None:
        """Take one attempt; given to the client as `on_attempt`."""
        cost = weight_of(attempt, self._weights)
        with self._lock:
            self.calls += attempt.counted_calls
            self.weighted_cost += cost
            if use_case_of(attempt.endpoint_key) == ADS_INSIGHTS:
                self.insights_calls += attempt.counted_calls
        # A row, or one for each operation of an answered batch. All of them took as long as the
        # batch; its cost is shared out among them, and the pause before it was one.
        row = _logged(attempt) | {"app_key": attempt.app, "sync_run_id": self._sync_run_id}
        row["weighted_cost"] = cost / max(1, len(attempt.operations))
        rows = [row | _logged(each) | {"page_size": None} for each in attempt.operations] or [row]
        for number, each in enumerate(rows):
            self._log(each | ({} if number else self._pauses.taken()))
        self._observe(attempt)


def _logged(call: Attempt | Operation) -> dict[str, Any]:
    names = (each.name for each in fields(call) if each.name not in _NOT_LOGGED)
    return {name: getattr(call, name) for name in names}
