"""The Graph API client: HTTP, paging, errors, retries, usage headers, reports, batches, tokens.

It knows no database and no other room: it gets parameters and returns rows, and tells every
attempt to `on_attempt`.
"""

from meta_pipeline.graph.batch import BatchAnswer, BatchOperation
from meta_pipeline.graph.call import Attempt, Call
from meta_pipeline.graph.caller import GraphResponse
from meta_pipeline.graph.client import GraphClient
from meta_pipeline.graph.errors import (
    AnswerTooLarge,
    AppRefused,
    Blocked,
    ConnectionLost,
    CreativeUnreadable,
    CursorLost,
    DeadlineExceeded,
    FieldRejected,
    GraphError,
    InvalidRequest,
    MalformedAnswer,
    Misconfigured,
    MustGoAsync,
    MustSplit,
    NewReportNeeded,
    ObjectMissing,
    PagingLoop,
    PermissionDenied,
    RangeTooOld,
    Reauthorize,
    ReportStalled,
    Retriable,
    ServerTrouble,
    Skippable,
    Stop,
    Throttled,
    TooMuchData,
    Treatment,
    UniqueCountsTooOld,
    ValueRejected,
    VersionExpired,
)
from meta_pipeline.graph.objects import ObjectsById
from meta_pipeline.graph.pages import Page
from meta_pipeline.graph.query_shape import query_hash
from meta_pipeline.graph.reports import ReportRun, ReportState, ReportStatus, ReportWatch
from meta_pipeline.graph.retry import RetryPolicy
from meta_pipeline.graph.tokens import AccessToken, TokenInfo
from meta_pipeline.graph.usage import parse_usage
from meta_pipeline.graph.versions import VersionState, version_state
from meta_pipeline.redaction import redact

__all__ = [
    "AccessToken",
    "AnswerTooLarge",
    "AppRefused",
    "Attempt",
    "BatchAnswer",
    "BatchOperation",
    "Blocked",
    "Call",
    "ConnectionLost",
    "CreativeUnreadable",
    "CursorLost",
    "DeadlineExceeded",
    "FieldRejected",
    "GraphClient",
    "GraphError",
    "GraphResponse",
    "InvalidRequest",
    "MalformedAnswer",
    "Misconfigured",
    "MustGoAsync",
    "MustSplit",
    "NewReportNeeded",
    "ObjectMissing",
    "ObjectsById",
    "Page",
    "PagingLoop",
    "PermissionDenied",
    "RangeTooOld",
    "Reauthorize",
    "ReportRun",
    "ReportStalled",
    "ReportState",
    "ReportStatus",
    "ReportWatch",
    "Retriable",
    "RetryPolicy",
    "ServerTrouble",
    "Skippable",
    "Stop",
    "Throttled",
    "TokenInfo",
    "TooMuchData",
    "Treatment",
    "UniqueCountsTooOld",
    "ValueRejected",
    "VersionExpired",
    "VersionState",
    "parse_usage",
    "query_hash",
    "redact",
    "version_state",
]
