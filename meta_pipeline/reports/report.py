"""The report: every question's answer over one period, read in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from meta_pipeline.warehouse import Connection, Warehouse

from .answer import QuestionRows, ask
from .finding import Finding, all_findings, findings
from .question import Question, questions

# A whole week, so that the days of the week weigh the same in every report.
DAYS = 7
# A question that takes longer is asked of too many days: it ends, and syncs have the disks again.
_TIMEOUT_MS = 60_000
_SIMULATED = "SELECT coalesce(bool_or(is_simulated), false) FROM meta_ads.meta_ad_accounts"


@dataclass(frozen=True, slots=True)
class Report:
    """Answers by question, over `since` to `until` (UTC)."""

    since: datetime
    until: datetime
    is_simulated: bool
    answers: Mapping[str, QuestionRows]

    @property
    def days(self) -> float:
        return (self.until - self.since) / timedelta(days=1)

    @property
    def findings(self) -> list[Finding]:
        """The questions people ask first, answered in a sentence each."""
        return findings(self.answers)

    @property
    def summary(self) -> list[Finding]:
        """Every question in a sentence, what people ask first at the top."""
        return all_findings(self.answers)

    def document(self) -> dict[str, Any]:
        """The report for programs: findings, and every answer with its rows."""
        return {
            "since": self.since,
            "until": self.until,
            "is_simulated": self.is_simulated,
            "findings": {one.key: one.words for one in self.findings},
            "answers": {
                key: {
                    "title": answer.question.title,
                    "question": answer.question.words,
                    "observations": answer.observations,
                    "is_enough": answer.is_enough,
                    "note": answer.note,
                    "rows": answer.records(),
                }
                for key, answer in self.answers.items()
            },
        }


def make_report(
    warehouse: Warehouse,
    *,
    days: float = DAYS,
    now: datetime | None = None,
    only: Sequence[Question] | None = None,
) -> Report:
    """Answer every question, or `only` some, over the last `days` days until `now`."""
    with warehouse.connection() as connection:
        until = period(connection, days=days, now=now)
        answers = {one.key: ask(connection, one) for one in only or questions()}
        (simulated,) = connection.execute(_SIMULATED).fetchone() or (False,)
    return Report(until - timedelta(days=days), until, bool(simulated), answers)


def period(connection: Connection, *, days: float = DAYS, now: datetime | None = None) -> datetime:
    """Begin a read-only snapshot of the period in the connection's transaction; give its end."""
    # One snapshot: else calls that are logged between two questions make their answers disagree.
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    settings = {
        "meta_ads.report_days": f"{days:f}",
        "meta_ads.now": now.isoformat() if now else "",
        "statement_timeout": str(_TIMEOUT_MS),
        # A report of a few hundred milliseconds gains nothing from compiling its queries.
        "jit": "off",
    }
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))
    row = connection.execute("SELECT meta_ads.present()").fetchone()
    assert row is not None
    until: datetime = row[0]
    return until.astimezone(UTC)
