"""Every Graph API attempt of one sync: counted, weighed, handed to telemetry and to the quota."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from meta_pipeline.governor import Weights
from meta_pipeline.graph import Attempt

from .weights import weight_of

_NOT_LOGGED = ("counted_calls",)


class CallBook:
    """Counts the attempts of one sync, in whichever thread they are made."""

    def __init__(
        self,
        sync_run_id: str | None,
        log: Callable[[Mapping[str, Any]], None],
        observe: Callable[[Attempt], None],
        weights: Weights,
    ) -> None:
        self._sync_run_id = sync_run_id
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
            if attempt.endpoint_key.startswith(("insights_", "report_")):
                self.insights_calls += attempt.counted_calls
        row = asdict(attempt) | {"weighted_cost": cost, "sync_run_id": self._sync_run_id}
        self._log({name: value for name, value in row.items() if name not in _NOT_LOGGED})
        self._observe(attempt)
