"""One meter over time: its newest reading, what has been freed since, what our calls do to it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meta_pipeline.model.usage import SCORE_HEADER, MeterScope, UsageReading

from .effective_reading import EffectiveReading
from .rolling_hour import RollingHour
from .score import DrainingScore
from .thresholds import Thresholds

# The price of a call is learned from the last minutes: another workload has another price.
_MOVES_SECONDS = 600.0
# Between readings further apart others may have called, and the rolling hour forgets.
_GAP_SECONDS = 60.0
# The configured price counts as so many calls, so that one odd reading decides nothing.
_PRIOR_CALLS = 5
# Percents are whole numbers (FACTS section 1.3): over fewer calls the price of one is rounding.
_ENOUGH_CALLS = 50
# The finest step Meta tells (FACTS section 1.4).
_NOTHING_PCT = 0.01
_BLOCK_OF = "block of "


class MeterHistory:
    """What is known of one meter.

    A block outlives later readings without one: an answer that was on its way when Meta closed
    the door must not open it again.
    """

    def __init__(self, thresholds: Thresholds, stagger_seconds: float = 0.0) -> None:
        self._thresholds = thresholds
        self._stagger = timedelta(seconds=stagger_seconds)
        self._model: RollingHour | DrainingScore = RollingHour()
        self._newest: UsageReading | None = None
        self._told: UsageReading | None = None  # the newest as it came, however it was dated
        self._changed_at = 0.0
        self._moves: deque[tuple[float, float, int]] = deque()  # second, points moved, calls
        self._moved = (0.0, 0)  # their sums
        self._calls = 0
        self._refusals = 0

    @property
    def reading(self) -> UsageReading | None:
        """The newest reading, with the block that is still on."""
        return self._newest

    @property
    def cost_pct(self) -> float:
        """Points the meter moves for each of our calls, other callers' share included.

        Everybody who paces by it slows in proportion, so that together they keep the limit
        without knowing of each other. A few imagined calls at the prior keep the whole percents
        of a first reading from being taken for the price of one call.
        """
        points, calls = max(0.0, self._moved[0]), self._moved[1]
        return (points + self._thresholds.prior_cost_pct * _PRIOR_CALLS) / (calls + _PRIOR_CALLS)

    def observe(self, reading: UsageReading) -> bool:
        """Take a reading unless it is known or older; returns whether it was taken."""
        known = self._newest
        if known is not None and (
            reading in (known, self._told) or reading.read_at < known.read_at
        ):
            return False
        gap = reading.read_at.timestamp() - self._changed_at
        moved = self._feed(reading)
        # After a longer silence the difference is our forecast's error, not a price; and a
        # refusal says "full", not how much one call added.
        if known is not None and gap <= _GAP_SECONDS and not reading.blocks:
            self._note_move(moved)
        self._calls = 0
        self._newest = self._told = reading
        if known is not None and known.blocks and not reading.blocks:
            self._keep_shut(known, reading)
        return True

    def _keep_shut(self, known: UsageReading, reading: UsageReading) -> None:
        """An answer that was on its way when Meta closed the door must not open it again.

        As long as the known block is believed, and no longer: Meta's own time on a newer reading
        would begin the longest wait anew.
        """
        shut_until = _believed(known, self._thresholds)
        if shut_until > reading.read_at:
            source = f"{_BLOCK_OF}{known.source.removeprefix(_BLOCK_OF)}"
            self._newest = replace(reading, regain_at=shut_until, source=source)

    def answered(self, at: datetime, calls: int, *, seen: bool, ok: bool) -> None:
        """One of our calls that moves this meter came back, with a reading of it or without."""
        self._calls += calls
        self._refusals = 0 if ok else self._refusals
        if seen or self._newest is None:
            return
        if ok and self._newest.blocks and _block_ends(self._newest, self._thresholds) <= at:
            # A call got through after the block, and no header says how much is free. A score is
            # gone with its block. Of a rolling hour we know that it was full, and that it frees as
            # it was filled.
            if self._newest.scope == MeterScope.INSIGHTS_APP or not (
                self._newest.use_case or self._newest.meter.is_of_app
            ):
                self._model = RollingHour()
            self._newest = replace(self._newest, regain_at=None)
        self._changed_at = at.timestamp()
        self._model.assume(self._changed_at, calls * self.cost_pct)

    def refused(self, at: datetime) -> int:
        """Count a refusal, unless it belongs to a block that is known; returns the count."""
        known = self._newest
        within = known is not None and known.blocks and at < _block_ends(known, self._thresholds)
        if not (within and self._refusals):
            self._refusals += 1
        return self._refusals

    def effective(
        self, now: datetime, thresholds: Thresholds, in_flight: int = 0
    ) -> EffectiveReading | None:
        """What is known now, `in_flight` calls not yet answered; None once it says nothing."""
        reading = self._dated(now)
        if reading is None:
            return None
        cost_pct = self.cost_pct
        if reading.blocks:
            resumes: datetime | None = _block_ends(reading, thresholds) + self._stagger
        elif self._model.pct_at(self._changed_at) < thresholds.stop_pct(reading.meter):
            resumes = None
        else:
            resumes = self._falls_to(thresholds.resume_pct(reading.meter)) + self._stagger
        ends = max(self._falls_to(_NOTHING_PCT), resumes or reading.read_at)
        if now >= ends:
            return None
        eases = self._falls_to(thresholds.insights_skip_pct - _NOTHING_PCT)
        return EffectiveReading(
            reading=reading,
            effective_pct=self._model.pct_at(now.timestamp()) + in_flight * cost_pct,
            stops_mattering_at=ends,
            resumes_at=resumes if resumes is not None and resumes > now else None,
            is_guess=resumes is not None,
            eases_at=eases if reading.meter.is_insights and eases > now else None,
            freeing_pct_per_second=self._model.freeing_pct_per_second,
            cost_pct=cost_pct,
        )

    def _dated(self, now: datetime) -> UsageReading | None:
        """The newest reading; one of a clock that is ahead of ours is taken as read now.

        It would shut out every later reading until its time comes, and hold a stop so long.
        """
        reading = self._newest
        if reading is None or reading.read_at <= now:
            return reading
        ahead = reading.read_at - now
        regain_at = None if reading.regain_at is None else reading.regain_at - ahead
        self._newest = replace(reading, read_at=now, regain_at=regain_at)
        self._model = RollingHour()
        self._feed(self._newest)
        return self._newest

    def _feed(self, reading: UsageReading) -> float:
        at = self._changed_at = reading.read_at.timestamp()
        if reading.source != SCORE_HEADER or reading.regain_at is None:
            if isinstance(self._model, DrainingScore):
                self._model = RollingHour()
            return self._model.observe(at, reading.usage_pct)
        if isinstance(self._model, RollingHour):
            self._model = DrainingScore(longest_seconds=self._thresholds.max_drain_seconds)
        return self._model.observe(at, reading.usage_pct, reading.regain_at.timestamp())

    def _note_move(self, moved: float) -> None:
        """Ten minutes of moves are kept, and more while they are of few calls."""
        self._moves.append((self._changed_at, moved, self._calls))
        points, calls = self._moved[0] + moved, self._moved[1] + self._calls
        while self._moves[0][0] < self._changed_at - _MOVES_SECONDS:
            _, old_points, old_calls = self._moves[0]
            if calls - old_calls < _ENOUGH_CALLS:
                break
            self._moves.popleft()
            points, calls = points - old_points, calls - old_calls
        self._moved = points, calls

    def _falls_to(self, pct: float) -> datetime:
        return datetime.fromtimestamp(self._model.falls_to(pct, self._changed_at), UTC)


def _block_ends(reading: UsageReading, thresholds: Thresholds) -> datetime:
    """Meta's time plus the grain of it; only asked of a reading that blocks."""
    return _believed(reading, thresholds) + timedelta(seconds=thresholds.regain_margin_seconds)


def _believed(reading: UsageReading, thresholds: Thresholds) -> datetime:
    """Meta's time, or the last moment that any is believed for."""
    is_score = reading.source.removeprefix(_BLOCK_OF) == SCORE_HEADER
    most = thresholds.max_drain_seconds if is_score else thresholds.max_block_seconds
    longest = reading.read_at + timedelta(seconds=most)
    return min(reading.regain_at or longest, longest)
