"""One call and its attempts: what a gate is asked about, what a log row is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from meta_pipeline.model.limit import Limit
from meta_pipeline.model.usage import APP, UsageReading


@dataclass(frozen=True, slots=True)
class Call:
    """What is about to be asked; holds no secret, no cursor and no date."""

    # None for a call that is about no account, such as the list of them.
    account_id: str | None
    # Our name of what is asked, such as ads_list: weights, reports and Meta's use case go by it.
    endpoint_key: str
    method: str
    path: str
    # What makes two calls cost alike, in words: `level=ad increment=1 days=7`.
    query_shape: str
    # The same for calls of one shape, whatever their account and days.
    params_hash: str
    # Rows asked for at most; of a batch its operations; None where there are no pages.
    page_size: int | None = None
    # What Meta counts it as: 1, or one for each id or batched operation.
    counted_calls: int = 1
    # 0 for the first attempt.
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a batch that was answered: Meta counts, limits and refuses it alone."""

    # Its own HTTP status; that of the batch is 200 all the same.
    status_code: int | None
    error_code: int | None
    error_subcode: int | None
    error_message: str | None
    fbtrace_id: str | None
    throttled: bool
    response_size_bytes: int
    usage_headers: Mapping[str, str]
    # What its headers say.
    usage: tuple[UsageReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP attempt, successful or not: a row of `meta_api_logs`, or one for each operation."""

    account_id: str | None
    endpoint_key: str
    query_shape: str
    params_hash: str
    method: str
    # None when there was no HTTP answer.
    status_code: int | None
    error_code: int | None
    error_subcode: int | None
    # Redacted; a 200 that was not a Graph answer has one and no code.
    error_message: str | None
    fbtrace_id: str | None
    throttled: bool
    # From sending to the last byte.
    latency_ms: float
    retry_count: int
    # Of the decompressed body.
    response_size_bytes: int
    # Lower-cased name to raw text; of a batch its own, not those of its operations.
    usage_headers: Mapping[str, str]
    # None for a failure and for answers that are no page.
    rows: int | None
    page_size: int | None
    # When the attempt ended, in UTC.
    timestamp: datetime
    # What Meta counts it as: one for each id or batched operation.
    counted_calls: int = 1
    # What each operation of an answered batch got.
    operations: tuple[Operation, ...] = ()
    # What the answer's headers say of the API version, if anything.
    version_notice: str | None = None
    # What the headers say, those of the operations of a batch included.
    usage: tuple[UsageReading, ...] = ()
    # The one it was refused for.
    limit: Limit | None = None
    # The key of the app it was made as.
    app: str = APP

    @property
    def refusal(self) -> str:
        """What Meta refused it with: `error 80004/2446079`, or `error None` for no Graph error."""
        code, subcode = self.error_code, self.error_subcode
        return f"error {code}" if subcode is None else f"error {code}/{subcode}"

    @property
    def ok(self) -> bool:
        """True when the answer was usable."""
        return self.error_message is None
