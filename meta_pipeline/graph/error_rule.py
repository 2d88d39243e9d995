"""The row type of the error policy, and short ways to write its common rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meta_pipeline.graph import errors
from meta_pipeline.graph.errors import GraphError, Treatment
from meta_pipeline.model.limit import Limit

EDIT = "This pipeline only reads; look for the other program that writes with this token."
"""The next step where only a call that writes is refused so."""

_DEFAULT_ERRORS: Mapping[Treatment, type[GraphError]] = {
    Treatment.RETRY: errors.ServerTrouble,
    Treatment.NEW_REPORT: errors.NewReportNeeded,
    Treatment.RESTART: errors.CursorLost,
    Treatment.WAIT: errors.Throttled,
    Treatment.SHRINK: errors.TooMuchData,
    Treatment.SPLIT: errors.MustSplit,
    Treatment.GO_ASYNC: errors.MustGoAsync,
    Treatment.REAUTHORIZE: errors.Reauthorize,
    Treatment.SKIP: errors.ObjectMissing,
    Treatment.DROP_FIELD: errors.FieldRejected,
    Treatment.DROP_VALUE: errors.ValueRejected,
    Treatment.DROP_UNIQUE: errors.UniqueCountsTooOld,
    Treatment.CLAMP: errors.RangeTooOld,
    Treatment.STOP: errors.InvalidRequest,
}


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of the table: a code, what it means, what this client and what a person does."""

    code: int
    subcode: int | None
    treatment: Treatment
    meaning: str
    # None: a person need do nothing.
    next_step: str | None
    # Lower case; must occur in the message, for codes that mean several things.
    text: str | None = None
    error: type[GraphError] | None = None
    # The client asks again, with backoff, before it raises.
    retries: bool = False
    # On a page with room below, a smaller page is asked instead; after one retry where it retries
    # too.
    shrinks: bool = False
    # Which of Meta's limits is reached, with WAIT.
    limit: Limit | None = None

    @property
    def error_class(self) -> type[GraphError]:
        """The class of errors.py that this rule raises."""
        return self.error or _DEFAULT_ERRORS[self.treatment]

    @property
    def is_known(self) -> bool:
        """False for the rules that stand in for a code without a row."""
        return self.code != 0

    @property
    def key(self) -> str:
        """`code` or `code/subcode`, as in docs/troubleshooting.md."""
        return f"{self.code}" if self.subcode is None else f"{self.code}/{self.subcode}"


def retry(
    code: int,
    subcode: int | None,
    meaning: str,
    *,
    text: str | None = None,
    shrinks: bool = False,
    next_step: str = "Sync again later; if it lasts, look at metastatus.com/ads.",
) -> ErrorRule:
    """The client asks again with backoff, then raises ServerTrouble."""
    return ErrorRule(
        code, subcode, Treatment.RETRY, meaning, next_step, text=text, retries=True, shrinks=shrinks
    )


def limit(
    code: int,
    subcode: int | None,
    meaning: str,
    *,
    seconds: float | None = 300,
    scope: str = "account",
    use_case: str | None = None,
    reads: bool = True,
    next_step: str = "Wait; other accounts go on. If it comes daily, sync less often or apply "
    "for Full access of the Marketing API Access Tier.",
) -> ErrorRule:
    """A limit: raises Throttled with the time to wait; `seconds` None: by the access tier."""
    return ErrorRule(
        code,
        subcode,
        Treatment.WAIT,
        meaning,
        next_step,
        limit=Limit(scope, use_case, seconds, reads),
    )


def token(
    code: int, subcode: int | None, meaning: str, *, next_step: str | None = None
) -> ErrorRule:
    """The token does not work: raises Reauthorize."""
    return ErrorRule(
        code,
        subcode,
        Treatment.REAUTHORIZE,
        meaning,
        next_step or errors.Reauthorize.default_next_step,
    )


def denied(
    code: int, subcode: int | None, meaning: str, next_step: str, *, text: str | None = None
) -> ErrorRule:
    """Not for this token: raises PermissionDenied."""
    return ErrorRule(
        code,
        subcode,
        Treatment.SKIP,
        meaning,
        next_step,
        error=errors.PermissionDenied,
        text=text,
    )


def stop(
    code: int,
    subcode: int | None,
    meaning: str,
    next_step: str,
    *,
    text: str | None = None,
    error: type[GraphError] | None = None,
) -> ErrorRule:
    """Permanent: raises InvalidRequest, or `error`."""
    return ErrorRule(code, subcode, Treatment.STOP, meaning, next_step, text=text, error=error)
