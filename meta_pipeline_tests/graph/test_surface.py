"""What this room shows to others."""

from __future__ import annotations

import dataclasses
import inspect

from meta_pipeline import graph
from meta_pipeline.graph import errors


def test_all_is_sorted_and_complete() -> None:
    public = {
        name
        for name, value in vars(graph).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(graph.__all__) == public
    assert list(graph.__all__) == sorted(graph.__all__)


def test_every_error_is_exported() -> None:
    tree = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.GraphError)
    }
    assert tree <= set(graph.__all__)


def test_the_client_has_what_others_code_against() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(graph.GraphClient, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == {
        "app_subscription",
        "batch",
        "close",
        "subscribe_account",
        "subscribed_apps",
        "create_report",
        "debug_token",
        "exchange_code",
        "exchange_token",
        "with_options",
        "get",
        "ids",
        "me",
        "pages",
        "refusal_of",
        "report_pages",
        "report_status",
        "report_statuses",
        "revoke_token",
        "subscribe_app",
        "with_token",
        "within",
    }


def test_an_attempt_is_a_row_of_meta_api_logs() -> None:
    assert [field.name for field in dataclasses.fields(graph.Attempt)] == [
        "account_id",
        "endpoint_key",
        "query_shape",
        "params_hash",
        "method",
        "status_code",
        "error_code",
        "error_subcode",
        "error_message",
        "fbtrace_id",
        "throttled",
        "latency_ms",
        "retry_count",
        "response_size_bytes",
        "usage_headers",
        "rows",
        "page_size",
        "timestamp",
        "counted_calls",
        "operations",
        "version_notice",
        "usage",
        "limit",
        "app",
    ]


def test_public_things_say_what_they_do() -> None:
    for name in graph.__all__:
        assert inspect.getdoc(getattr(graph, name)), name
    for name, method in inspect.getmembers(graph.GraphClient, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(method), name
