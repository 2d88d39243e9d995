"""Every Graph API attempt of one sync: counted, weighed, handed to telemetry and to the quota."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

from meta_pipeline.governor import Weights
from meta_pipeline.graph import Attempt

from .weights import weight_of

_NOT_LOGGED = ("counted_calls", "operations", "version_notice")


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
        for row in _log_rows(attempt, cost):
            self._log(row | {"sync_run_id": self._sync_run_id})
        self._observe(attempt)


def _log_rows(attempt: Attempt, cost: float) -> Iterator[dict[str, Any]]:
    """The rows of `meta_api_logs`: one, or one for each operation of an answered batch.

    All operations of a batch took as long as the batch; its cost is shared out among them.
    """
    whole = {each.name: getattr(attempt, each.name) for each in fields(Attempt)}
    row = {name: value for name, value in whole.items() if name not in _NOT_LOGGED}
    share = cost / max(1, len(attempt.operations))
    if not attempt.operations:
        yield row | {"weighted_cost": share}
    for operation in attempt.operations:
        yield row | {"page_size": None} | asdict(operation) | {"weighted_cost": share}
