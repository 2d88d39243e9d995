"""Operational truth: the shipped questions, the report, the status and the metrics."""

from __future__ import annotations

from .answer import QuestionRows, ask
from .finding import Finding
from .question import Question, questions
from .report import Report, make_report, period

__all__ = [
    "Finding",
    "Question",
    "QuestionRows",
    "Report",
    "ask",
    "make_report",
    "period",
    "questions",
]
