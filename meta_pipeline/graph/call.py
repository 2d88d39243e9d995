"""One call and its attempts: what a gate is asked about, what a log row is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from meta_pipeline.model.limit import Limit
from meta_pipeline.model.usage import UsageReading


@dataclass(frozen=True, slots=True)
class Call:
    """What is about to be asked; holds no secret, no cursor and no date.

    `counted_calls` is what Meta counts it as: 1, or one for each id or batched operation.
    `retry_count` is 0 for the first attempt.
    """

    account_id: str | None
    endpoint_key: str
    method: str
    path: str
    query_shape: str
    params_hash: str
    page_size: int | None = None
    counted_calls: int = 1
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a batch that was answered: Meta counts, limits and refuses it alone."""

    status_code: int | None
    error_code: int | None
    error_subcode: int | None
    error_message: str | None
    fbtrace_id: str | None
    throttled: bool
    response_size_bytes: int
    usage_headers: Mapping[str, str]
    usage: tuple[UsageReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP attempt, successful or not: a row of `meta_api_logs`, or one for each operation.

    `status_code` is None when there was no HTTP answer. `error_message` is redacted.
    `latency_ms` runs from sending to the last byte, `response_size_bytes` is the decompressed
    body. `usage_headers` maps the lower-cased name to the raw text of the headers present, `usage`
    is what they say, of a batch what its operations' say too. `limit`: the one it was refused for.
    `rows` is None for a failure and for answers that are no page. `timestamp` (UTC) is the
    moment the attempt ended. A 200 that was not a Graph answer has `error_message`, no code.
    `operations` is what each operation of an answered batch got, else empty. `version_notice`
    is what the answer's headers say of the API version, if anything.
    """

    account_id: str | None
    endpoint_key: str
    query_shape: str
    params_hash: str
    method: str
    status_code: int | None
    error_code: int | None
    error_subcode: int | None
    error_message: str | None
    fbtrace_id: str | None
    throttled: bool
    latency_ms: float
    retry_count: int
    response_size_bytes: int
    usage_headers: Mapping[str, str]
    rows: int | None
    page_size: int | None
    timestamp: datetime
    counted_calls: int = 1
    operations: tuple[Operation, ...] = ()
    version_notice: str | None = None
    usage: tuple[UsageReading, ...] = ()
    limit: Limit | None = None

    @property
    def refusal(self) -> str:
        """What Meta refused it with: `error 80004/2446079`, or `error None` for no Graph error."""
        code, subcode = self.error_code, self.error_subcode
        return f"error {code}" if subcode is None else f"error {code}/{subcode}"

    @property
    def ok(self) -> bool:
        """True when the answer was usable."""
        return self.error_message is None
