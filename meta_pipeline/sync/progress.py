"""What a sync tells the person who waits for it: each step, and when none comes for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .plan.plan import Plan

logger = logging.getLogger(__name__)

PULSE_SECONDS = 30.0
"""So long nobody is left without a word."""
# Fewer calls say little of the speed: the first of them also opens the connections.
_CALLS_TO_JUDGE_BY = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one account is; all numbers count from the start of the sync."""

    account_id: str
    step: str
    """The part that a slice was written of; `waiting` in a pulse."""
    rows: int
    calls: int
    seconds: float
    message: str = ""
    """The step in words: `ads page 3`."""
    account_rows: int = 0
    """Those among `rows` that are the account's own, a proof of the others."""
    quota_pct: float | None = None
    """The fullest of Meta's meters as last read; None where none is known."""
    seconds_left: float | None = None
    """What the plan still needs at the speed so far; None where that says little."""

    @property
    def facts(self) -> str:
        """Its numbers, as people read them: `9,969 rows, 13 calls, 4.2 s, quota 12 %, ...`."""
        rows = self.rows - self.account_rows
        calls = f"{self.calls:,} call" if self.calls == 1 else f"{self.calls:,} calls"
        facts = [f"{rows:,} rows", calls, f"{self.seconds:,.1f} s"]
        if self.quota_pct is not None:
            facts.append(f"quota {self.quota_pct:.0f} %")
        if self.seconds_left is not None:
            facts.append(f"about {in_words(self.seconds_left)} left")
        return ", ".join(facts)

    @property
    def sentence(self) -> str:
        """One line of a log."""
        return f"{self.account_id}  {self.message or self.step}: {self.facts}"


ProgressListener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Tell nobody."""


def in_words(seconds: float) -> str:
    """A time that is left: `40 s`, `3 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def still_reading(names: Sequence[str]) -> str:
    """What a sync is at while nothing comes: `still reading campaigns, ads and 3 more`."""
    more = f" and {len(names) - 2:,} more" if len(names) > 2 else ""
    return f"still reading {', '.join(names[:2])}{more}" if names else "still writing"


class Outlook:
    """How long a sync still takes, by the calls of its plan and the speed so far."""

    def __init__(self) -> None:
        self._until = 0.0
        self._later = 0.0

    def begin(self, plan: Plan, calls_made: int) -> None:
        """A plan is begun; what it leaves for later is as dear as what it reads, day by day."""
        days = sum(window.days for window in plan.windows)
        self._until = calls_made + plan.calls
        self._later = plan.insights_calls * plan.days_later / days if days else 0.0

    def seconds_left(self, calls_made: int, seconds: float) -> float | None:
        """None while there is too little to judge by, or the plan's calls are used up."""
        left = max(0.0, self._until - calls_made) + self._later
        if calls_made < _CALLS_TO_JUDGE_BY or not left:
            return None
        return left * seconds / calls_made


class Pulse:
    """Reports progress, and once more where none came for `every_seconds`; thread-safe.

    `look` gives the progress at this moment; it is called in a thread of its own.
    """

    def __init__(
        self,
        report: ProgressListener,
        look: Callable[[], Progress],
        every_seconds: float = PULSE_SECONDS,
    ) -> None:
        self._report = report
        self.look = look
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._stepped = threading.Event()
        self._ended = False

    def __call__(self, progress: Progress) -> None:
        """Tell a step."""
        self._stepped.set()
        with self._lock:
            self._report(progress)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Inside, nobody waits longer than `every_seconds` for a word."""
        thread = threading.Thread(target=self._beat, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self._stepped.set()
            thread.join()

    def _beat(self) -> None:
        while not self._ended:
            if self._stepped.wait(self._every_seconds):
                self._stepped.clear()
            else:
                try:
                    with self._lock:
                        self._report(self.look())
                except Exception as error:  # a sync does not end because nobody can be told of it
                    logger.warning("progress could not be told: %s", error)
