"""What ends a sync before its plan is done, and what its record then says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from meta_pipeline.graph import (
    AppRefused,
    GraphError,
    ObjectMissing,
    PermissionDenied,
    Reauthorize,
    Throttled,
)
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.sync.limits.quota import Quota
from meta_pipeline.sync.limits.waiting import rest_of, wait_of


@dataclass
class Ending:
    """Meta's failures of one sync, as far as they are failures of all of it: the first counts."""

    failures: int
    """Syncs of the account that failed before this one, without a break."""
    failing_since: datetime | None
    is_new: bool
    """Whether no edge of the account was ever read to its end."""
    is_answered: bool = False
    """Whether Meta has answered anything that belongs to the plan."""
    throttled: Throttled | None = None
    dead_token: Reauthorize | None = None
    forbidden: GraphError | None = None
    _denials: int = field(default=0, init=False)

    @property
    def has_come(self) -> bool:
        """Whether nothing more is to be read."""
        return bool(self.throttled or self.dead_token or self.forbidden)

    @property
    def is_doubtful(self) -> bool:
        """Whether the account may be one that cannot be read at all: it is asked one call first."""
        return not self.is_answered and (self.failures > 0 or self.is_new)

    def note(self, error: GraphError) -> bool:
        """Take a failure in; True where it is one of all that is read."""
        if isinstance(error, Throttled):
            self.throttled = self.throttled or error
            return True
        if isinstance(error, PermissionDenied | ObjectMissing | AppRefused):
            # A part may be forbidden alone; two of them, and nothing answered, are the account.
            self._denials += 1
            if self.is_answered or not (self.is_doubtful or self._denials > 1):
                return False
            self.forbidden = self.forbidden or error
            return True
        if isinstance(error, Reauthorize):
            self.dead_token = self.dead_token or error
            return True
        return False

    def settle(self, record: SyncRun, quota: Quota, now: datetime, *, has_read: bool) -> None:
        """Write the status that tells the truth about what was done; `has_read`: any row at all."""
        if self.throttled is not None:
            record.status = Status.THROTTLED
            record.error_summary, record.not_before = wait_of(self.throttled, quota.decide(), now)
        elif self.dead_token is not None:
            record.status, record.error_summary = Status.FAIL, str(self.dead_token)
        elif self.forbidden is not None:
            record.status = Status.FAIL
            record.error_summary, record.not_before = rest_of(
                self.forbidden, self.failing_since, now
            )
        elif record.missing and record.status is Status.RUNNING:
            # What was read is committed: a sync that brought anything has not failed.
            record.status = Status.PARTIAL if has_read else Status.FAIL
            record.error_summary = str(record.missing[0])
        elif record.status is Status.RUNNING:
            record.status = Status.SUCCESS
