"""What went wrong with a Graph call, named by what the caller must do about it.

GraphError
    Retriable                the same request may succeed later; the client has tried already
        ConnectionLost       no HTTP answer: refused, dropped, timed out
        MalformedAnswer      not an answer of the Graph API: HTML, half a body, no `data`
        ServerTrouble        Meta has a moment: code 1, 2, any 5xx
            DeadlineExceeded     an answer that does not end: given up after the call's time
        NewReportNeeded      the report failed, was skipped or never got going: create another
        ReportStalled        the report does not move: look at it again later
        CursorLost           the cursor died: walk again from the first page
    Throttled                wait until `.until`; a call before that prolongs the block
    TooMuchData              shrink: the smallest allowed page is refused too, ask for less
        AnswerTooLarge       more bytes than META_MAX_ANSWER_MB, on the wire or unpacked
        MustSplit            halve the range or the set of ids
        MustGoAsync          ask for the same as an async report
    Reauthorize              the token no longer works: a person connects the account again
    Skippable                go on without this one thing, and say so
        ObjectMissing        the object is gone or was never visible
        PermissionDenied     this token may not read it
        FieldRejected        drop `.field_name` from the fields and ask again
            CreativeUnreadable   one creative kills the page: drop the field or read one by one
    Stop                     do not repeat it unchanged
        InvalidRequest       a parameter is wrong: a bug here or a changed API
            ValueRejected    drop the value it names of `.parameter` and ask again
            RangeTooOld      the range starts too long ago: clamp it
                UniqueCountsTooOld  ask without unique counts, which are not kept as long
        Misconfigured        a setting is wrong: app secret, permission of the app
            AppRefused       the app itself is refused: blocked, no capability, no proof
            VersionExpired   this API version is retired: move META_API_VERSION on
        Blocked              Meta suspended the caller: a person has to look
        PagingLoop           the pages go in a circle

    try:
        for page in client.pages(...): ...
    except Throttled as stop:
        come_back_at(stop.until)
    except Reauthorize: ...
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypedDict, Unpack

from meta_pipeline.model.limit import Limit
from meta_pipeline.model.usage import UsageReading


class Treatment(StrEnum):
    """What the caller must do about an error; one for each branch of the tree."""

    RETRY = "retry"
    NEW_REPORT = "new report"
    RESTART = "restart"
    WAIT = "wait"
    SHRINK = "shrink"
    SPLIT = "split"
    GO_ASYNC = "go async"
    REAUTHORIZE = "reauthorize"
    SKIP = "skip"
    DROP_FIELD = "drop field"
    DROP_VALUE = "drop value"
    DROP_UNIQUE = "drop unique counts"
    CLAMP = "clamp"
    STOP = "stop"


class ErrorFacts(TypedDict, total=False):
    """What is known of a failure besides its message; as `GraphError` takes it."""

    code: int | None
    subcode: int | None
    fbtrace_id: str | None
    http_status: int | None
    account_id: str | None
    endpoint_key: str | None
    usage: tuple[UsageReading, ...]
    retry_count: int


class GraphError(Exception):
    """Any failure of a Graph call; Meta's own facts are attributes, `str()` says what to do next.

    `code`, `subcode`, `fbtrace_id` and `http_status` are Meta's (None where it gave none),
    `usage` the readings of the refused answer's headers, `retry_count` the tries made before.
    `retried`: the client asks again by itself; `shrinks`: a smaller page may be answered.
    """

    treatment: ClassVar[Treatment] = Treatment.STOP
    retried: bool = False
    shrinks: bool = False
    default_next_step: ClassVar[str] = "Look the code up in docs/troubleshooting.md."

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        subcode: int | None = None,
        fbtrace_id: str | None = None,
        http_status: int | None = None,
        account_id: str | None = None,
        endpoint_key: str | None = None,
        next_step: str | None = None,
        usage: tuple[UsageReading, ...] = (),
        retry_count: int = 0,
    ) -> None:
        self.message = message
        self.code = code
        self.subcode = subcode
        self.fbtrace_id = fbtrace_id
        self.http_status = http_status
        self.account_id = account_id
        self.endpoint_key = endpoint_key
        self.next_step = next_step or self.default_next_step
        self.usage = usage
        self.retry_count = retry_count
        super().__init__(message)

    @property
    def code_text(self) -> str | None:
        """`80004/2446079`, `190` or None: the key of the entry in docs/troubleshooting.md."""
        if self.code is None:
            return None
        return f"{self.code}" if self.subcode is None else f"{self.code}/{self.subcode}"

    def __str__(self) -> str:
        where = " of ".join(part for part in (self.endpoint_key, self.account_id) if part)
        named = (
            ("code", self.code_text),
            ("HTTP", self.http_status),
            ("fbtrace_id", self.fbtrace_id),
            ("tried again", self.retry_count or None),
        )
        facts = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        head = f"{where}: {self.message}" if where else self.message
        return f"{head}{f' [{facts}]' if facts else ''} Next: {self.next_step}"


class Retriable(GraphError):
    """The same request may succeed later; the client has already tried again."""

    treatment = Treatment.RETRY
    default_next_step = "Run the sync again in a few minutes; what was committed is kept."


class ConnectionLost(Retriable):
    """No HTTP answer: the connection was refused or dropped, or nothing came in time."""

    retried = True
    default_next_step = "Check the network and META_GRAPH_URL, then run the sync again."


class MalformedAnswer(Retriable):
    """An answer that is not the Graph API's: HTML, text, a list, half a body, no `data`."""

    retried = True


class ServerTrouble(Retriable):
    """Meta answers that it cannot answer right now."""

    retried = True


class DeadlineExceeded(ServerTrouble):
    """The answer did not end within the call's time: a slow drip passes every read timeout."""

    default_next_step = (
        "Run the sync again in a few minutes; where answers really take so long, raise "
        "META_CALL_DEADLINE_SECONDS."
    )


class NewReportNeeded(Retriable):
    """The async report failed, was skipped or expired: create another one."""

    treatment = Treatment.NEW_REPORT
    default_next_step = "Create the report again; when it fails again, split its range."


class ReportStalled(Retriable):
    """The async report has not moved for some minutes; it may, so look at it again later."""

    default_next_step = "Run the sync again later: it looks at the same report."


class CursorLost(Retriable):
    """The cursor died (its item went away): walk the edge again from its first page."""

    treatment = Treatment.RESTART
    default_next_step = "Walk the edge again from its first page."


class Throttled(GraphError):
    """A limit is reached: no call before `until` (UTC), which is in `seconds` from the answer.

    `limit` says what is blocked; `hint` tells where the time comes from: "header", "documented" or
    "caller" (raised by a gate).
    """

    treatment = Treatment.WAIT
    default_next_step = "Wait; calls made during the block prolong it. Other accounts go on."

    def __init__(
        self,
        message: str,
        *,
        until: datetime,
        seconds: float,
        limit: Limit | None = None,
        hint: str = "caller",
        next_step: str | None = None,
        **facts: Unpack[ErrorFacts],
    ) -> None:
        wait = f"Wait until {until:%Y-%m-%d %H:%M:%S} UTC. {self.default_next_step}"
        super().__init__(message, next_step=next_step or wait, **facts)
        self.until = until
        self.seconds = seconds
        self.limit = limit or Limit()
        self.hint = hint


class TooMuchData(GraphError):
    """The answer would be too large, even with the smallest allowed page (`page_size`)."""

    shrinks = True

    treatment = Treatment.SHRINK
    default_next_step = "Ask for fewer fields or days, or use an async report."
    page_size: int | None = None


class AnswerTooLarge(TooMuchData):
    """The answer is larger than allowed, on the wire or unpacked: less of it is asked for."""

    default_next_step = "Ask for fewer fields or days; META_MAX_ANSWER_MB is the limit."


class MustSplit(TooMuchData):
    """No page size helps: halve the range of days or the set of ids."""

    treatment = Treatment.SPLIT
    shrinks = False
    default_next_step = "Halve the range of days, then the set of ids."


class MustGoAsync(TooMuchData):
    """Too slow for a synchronous answer: ask for the same as an async report."""

    treatment = Treatment.GO_ASYNC
    shrinks = False
    default_next_step = "Ask for the same as an async report."


class Reauthorize(GraphError):
    """The token is expired, revoked or invalid."""

    treatment = Treatment.REAUTHORIZE
    default_next_step = (
        "Put a new token in META_ACCESS_TOKEN (docs/tokens.md shows how), "
        "then run `meta-pipeline check`."
    )


class Skippable(GraphError):
    """One thing cannot be read; everything else can."""

    treatment = Treatment.SKIP
    default_next_step = "Go on without it."


class ObjectMissing(Skippable):
    """The object is deleted for good, never existed or is not visible to this token."""


class PermissionDenied(Skippable):
    """The token may not read this; other accounts and objects may be readable."""

    default_next_step = (
        "Give the token's user a role on the ad account and the scope ads_read, "
        "then run `meta-pipeline check`."
    )


class FieldRejected(Skippable):
    """Meta does not give `field_name` (any more): leave it out and ask again."""

    treatment = Treatment.DROP_FIELD
    default_next_step = "Ask again without the field; it is recorded as unavailable."

    field_name: str = ""

    @classmethod
    def named(cls, field_name: str, error: GraphError) -> FieldRejected:
        """What `error` refused without a name, once it was found by asking."""
        rejected = cls(error.message, code=error.code)
        rejected.field_name = field_name
        return rejected


class CreativeUnreadable(FieldRejected):
    """One creative's `object_story_spec` fails Meta's own validation and takes the page along."""

    default_next_step = "Ask for the page without object_story_spec, or creative by creative."
    field_name = "object_story_spec"


class Stop(GraphError):
    """The same request will fail again, however often it is repeated."""


class InvalidRequest(Stop):
    """A parameter is wrong: a bug of ours or a change of theirs."""

    default_next_step = "Look the code up in docs/troubleshooting.md and report it with fbtrace_id."


class ValueRejected(InvalidRequest):
    """Meta does not take one value of a list: leave it out and ask again.

    `parameter` is the list (`breakdowns`, `filtering`, `effective_status`), `index` the place of
    the value in it, `value` the value itself; None where the answer does not name them.
    """

    treatment = Treatment.DROP_VALUE
    default_next_step = "Ask again without the value; it is recorded as unavailable."

    parameter: str | None = None
    index: int | None = None
    value: str | None = None


class RangeTooOld(InvalidRequest):
    """The range starts before what Meta keeps: `months` as its text says, 37 for all insights."""

    treatment = Treatment.CLAMP
    default_next_step = "Start the range later: Meta keeps 37 months."

    months: int = 37


class UniqueCountsTooOld(RangeTooOld):
    """Unique counts of a breakdown, or the breakdown itself, are kept for 13 months only."""

    treatment = Treatment.DROP_UNIQUE
    default_next_step = "Ask older days without reach, frequency and unique clicks."

    months = 13


class Misconfigured(Stop):
    """A setting of ours or of the Meta app is wrong."""

    default_next_step = "Run `meta-pipeline check`; it names the setting."


class AppRefused(Misconfigured):
    """Meta refuses the app, whoever asks through it; a token of another app may go on."""

    default_next_step = (
        "Look at the app in Meta's App Dashboard, then run `meta-pipeline check`; connections of "
        "another app go on."
    )


class VersionExpired(Misconfigured):
    """The configured version of the Marketing API is retired."""

    default_next_step = "Set META_API_VERSION to a supported version (v26.0)."


class Blocked(Stop):
    """Meta suspended the caller for policy reasons."""

    default_next_step = "A person has to look: Meta's Account Quality page names the reason."


class PagingLoop(Stop):
    """The pages go in a circle: a cursor came twice, nothing but empty pages, or the same rows."""

    default_next_step = "Run the sync again; if it repeats, report it to Meta with fbtrace_id."
