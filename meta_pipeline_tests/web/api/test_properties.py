"""Whatever is sent, as the OpenAPI document says it may be or not: no answer is a failure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web.access.api_keys import Scope, new_key
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

QUICK, MANY = 1, 100


def walk(url: str, tables: Warehouse, examples: int) -> None:
    """Every operation with so many drawn requests: documented answers only, and no 500."""
    _, text = new_key(
        tables,
        f"properties {examples}",
        tenant="default",
        scopes=list(Scope),
        created_by="tests",
        now=datetime.now(UTC),
    )
    headers = {"Authorization": f"Bearer {text}"}
    document = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")
    seen = 0
    for found in document.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        seen += 1

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=examples == QUICK,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def one(case: Any) -> None:
            answer = case.call(headers=headers, timeout=PATIENCE_SECONDS)
            case.validate_response(
                answer,
                checks=[
                    checks.not_a_server_error,
                    checks.content_type_conformance,
                    checks.response_schema_conformance,
                ],
            )

        one()
    assert seen >= 13


def test_no_request_makes_it_fail(url: str, tables: Warehouse) -> None:
    walk(url, tables, QUICK)


@pytest.mark.slow
def test_no_request_of_many_makes_it_fail(url: str, tables: Warehouse) -> None:
    walk(url, tables, MANY)
