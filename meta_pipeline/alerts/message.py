"""Message: the news as people read them, a thousand accounts with one cause as one paragraph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from meta_pipeline.printable import one_line
from meta_pipeline.words import duration, minute, shortened, times

from .condition import ConditionKind, Grade
from .store import Alert

NAMED = 5
"""Accounts a paragraph names; the rest is counted."""
PARAGRAPHS = 12
"""Paragraphs a message has at most; the rest is counted."""
_CAUSE_LENGTH = 400  # a longer one is a wall that nobody reads
_NAME_LENGTH = 120
_TITLES = {
    ConditionKind.LOST: "Account lost",
    ConditionKind.FAILING: "Sync failing",
    ConditionKind.THROTTLED: "Throttled",
    ConditionKind.STALE: "Numbers out of date",
    ConditionKind.ERROR_RATE: "Many refused calls",
    ConditionKind.CHECK: "Data check failed",
    ConditionKind.TOKEN: "Access token",
    ConditionKind.RUN: "Run failed",
    ConditionKind.TICK: "Failing again and again",
}
_MARKS: dict[int, str] = {
    Grade.WARNING: "🟡",
    Grade.ERROR: "🔴",
    Grade.URGENT: "🚨",
    Grade.HAPPENED: "🚨",
}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One cause: `title` in one line, then lines of text, then perhaps a link and its words."""

    title: str
    lines: tuple[str, ...]
    link: str | None = None
    link_words: str = "Open in Dagster"


@dataclass(frozen=True, slots=True)
class Message:
    """What one channel is told at one moment; `news` and `over` count problems."""

    subject: str
    paragraphs: tuple[Paragraph, ...]
    news: int
    over: int

    @property
    def text(self) -> str:
        """All of it as plain text, in which no line of a paragraph begins another."""
        return "\n\n".join(
            "\n  ".join(map(one_line, [one.title, *one.lines, *([one.link] if one.link else [])]))
            for one in self.paragraphs
        )


def compose(
    news: Sequence[Alert],
    over: Sequence[Alert],
    *,
    still_open: int,
    now: datetime,
    ui_url: str | None = None,
    is_simulated: bool = False,
) -> Message:
    """Put the news first, then what is over; `still_open` problems were told before."""
    paragraphs = [*_news(news, now, ui_url), *_over(over, now)]
    left_out = len(paragraphs) - PARAGRAPHS
    if left_out > 0:
        more = "see `meta-pipeline status`, or the table meta_ads.alerts"
        paragraphs[PARAGRAPHS:] = [Paragraph(f"… and {left_out} more causes", (more,))]
    if still_open:
        paragraphs.append(Paragraph(f"Still open, as told before: {still_open:,}", ()))
    parts = [times(len(news), "new problem")] if news else []
    parts += [f"{len(over):,} back to normal"] if over else []
    mark = "[simulated data] " if is_simulated else ""
    subject = f"{mark}meta_pipeline: {', '.join(parts)}"
    return Message(subject, tuple(paragraphs), len(news), len(over))


def _news(alerts: Sequence[Alert], now: datetime, ui_url: str | None) -> Iterator[Paragraph]:
    def order(alert: Alert) -> tuple[int, str, str]:
        return -alert.grade, alert.kind, alert.cause

    groups = [list(group) for _, group in groupby(sorted(alerts, key=order), key=order)]
    # The worst first, then what touches most accounts.
    for group in sorted(groups, key=lambda one: (-one[0].grade, -len(one))):
        first = min(group, key=lambda alert: alert.opened_at)
        mark = _MARKS.get(first.grade, "🔴")
        yield Paragraph(
            f"{mark} {_title(first.kind)}: {_subjects(group)}",
            (
                f"Since {minute(first.opened_at)} ({duration(now - first.opened_at)})",
                cause(first.cause),
                f"What to do: {first.what_to_do}",
            ),
            f"{ui_url.rstrip('/')}{first.link}" if ui_url and first.link else None,
        )


def _over(alerts: Sequence[Alert], now: datetime) -> Iterator[Paragraph]:
    for kind, group in groupby(sorted(alerts, key=lambda one: one.kind), key=lambda one: one.kind):
        ended = list(group)
        title = f"✅ Back to normal: {_subjects(ended)}"
        first = min(alert.opened_at for alert in ended)
        last = max(alert.resolved_at or now for alert in ended)
        was = _title(kind).lower()
        yield Paragraph(title, (f"Was: {was}, {minute(first)} to {minute(last)}",))


def _title(kind: str) -> str:
    """What sort of problem; a kind that only a newer version knows by its own name."""
    return _TITLES[ConditionKind(kind)] if kind in set(ConditionKind) else kind


def _subjects(alerts: Sequence[Alert]) -> str:
    names = [shortened(one_line(alert.subject), _NAME_LENGTH) for alert in alerts]
    shown = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    return f"{len(names):,} accounts: {shown} and {more:,} more" if more > 0 else shown


def cause(text: str) -> str:
    """What Meta or Postgres said, on one line and no longer than people read."""
    return shortened(one_line(text), _CAUSE_LENGTH)
