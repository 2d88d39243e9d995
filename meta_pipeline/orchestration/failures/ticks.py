"""Sensors and schedules that fail again and again: nothing else would say that they stand still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from meta_pipeline.alerts import Condition, tick_condition
from meta_pipeline.orchestration.dagster_internals import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    TickStatus,
    newest_ticks,
)
from meta_pipeline.orchestration.place import here
from meta_pipeline.redaction import redact

IN_A_ROW = 2
"""Failed ticks from which on people are told: one may have met a restart of Postgres."""
_OVER = (TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE)
_FORGOTTEN = timedelta(days=2)
"""A sensor that has not ticked for so long was removed or renamed."""
_KINDS = {InstigatorType.SENSOR: "sensor", InstigatorType.SCHEDULE: "schedule"}


def failing_ticks(instance: dg.DagsterInstance, now: datetime) -> list[Condition]:
    """One problem for each sensor and schedule that is on and whose last two ticks failed."""
    states = {
        one.selector_id: one
        for one in instance.all_instigator_state()
        if one.is_running and one.instigator_type in _KINDS and here().is_ours(one.instigator_name)
    }
    # One more than is needed: the newest may still be under way.
    ticks = newest_ticks(instance, list(states), IN_A_ROW + 1)
    last = {
        selector_id: [tick for tick in its if tick.status in _OVER][:IN_A_ROW]
        for selector_id, its in ticks.items()
    }
    return [
        _condition(states[selector_id], its)
        for selector_id, its in last.items()
        if len(its) == IN_A_ROW
        and all(tick.is_failure for tick in its)
        and now.timestamp() - its[0].timestamp < _FORGOTTEN.total_seconds()
    ]


def stopped_by_hand(instance: dg.DagsterInstance) -> list[str]:
    """Names of the sensors and schedules that somebody stopped, in order."""
    return sorted(
        one.instigator_name
        for one in instance.all_instigator_state()
        if one.instigator_type in _KINDS
        and one.status is InstigatorStatus.STOPPED
        and here().is_ours(one.instigator_name)
    )


def _condition(state: InstigatorState, ticks: Sequence[InstigatorTick]) -> Condition:
    kind = _KINDS[state.instigator_type]
    error = ticks[0].error
    while error is not None and error.cause is not None:
        error = error.cause
    return tick_condition(
        kind,
        state.instigator_name,
        redact(error.message if error is not None else "It does not say why."),
        datetime.fromtimestamp(ticks[-1].timestamp, tz=UTC),
    )
