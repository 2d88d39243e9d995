"""A token is judged in stages: 14, 7, 1 and 0 days before it or its data access ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meta_pipeline.graph import TokenInfo
from meta_pipeline.quality import Severity, token_finding, token_unknown

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def token(**changes: object) -> TokenInfo:
    given: dict[str, object] = {"is_valid": True, "scopes": ("ads_read",), "type": "USER"}
    return TokenInfo(**(given | changes))  # type: ignore[arg-type]


def test_a_token_without_an_end_is_well() -> None:
    finding = token_finding(token(type="SYSTEM_USER"), NOW)
    assert finding.passed
    assert finding.headline == "The SYSTEM_USER token is valid without an end."


@pytest.mark.parametrize(
    ("left", "stage", "severity"),
    [
        (timedelta(days=14, minutes=1), None, None),
        (timedelta(days=14), 14, Severity.WARN),
        (timedelta(days=7, seconds=1), 14, Severity.WARN),
        (timedelta(days=7), 7, Severity.WARN),
        (timedelta(days=1), 1, Severity.ERROR),
        (timedelta(hours=5), 1, Severity.ERROR),
        (timedelta(0), 0, Severity.ERROR),
    ],
)
@pytest.mark.parametrize("which", ["expires_at", "data_access_expires_at"])
def test_each_stage_is_reached_to_the_second(
    which: str, left: timedelta, stage: int | None, severity: Severity | None
) -> None:
    finding = token_finding(token(**{which: NOW + left}), NOW)
    assert finding.passed is (stage is None)
    if stage is not None:
        assert finding.numbers == {"stage_days": stage}
        assert finding.severity is severity
        assert f"{NOW + left:%Y-%m-%d %H:%M} UTC" in finding.headline
        assert finding.what_to_do


def test_the_nearer_end_decides() -> None:
    ends = {
        "expires_at": NOW + timedelta(days=10),
        "data_access_expires_at": NOW + timedelta(hours=3),
    }
    finding = token_finding(token(**ends), NOW)
    assert finding.count == 2
    assert finding.numbers == {"stage_days": 1}
    assert "log in to the app again" in finding.what_to_do


def test_invalid_and_short_of_scopes() -> None:
    refused = token_finding(token(is_valid=False, scopes=()), NOW)
    assert refused.headline == "Meta calls the token invalid."
    assert refused.severity is Severity.ERROR
    weak = token_finding(token(scopes=("email",)), NOW)
    assert "lacks the scope ads_read" in weak.headline
    assert weak.severity is Severity.ERROR


def test_not_knowing_is_a_warning() -> None:
    finding = token_unknown("no app id")
    assert not finding.passed
    assert finding.severity is Severity.WARN
    assert "META_APP_ID" in finding.what_to_do
