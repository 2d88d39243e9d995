"""Findings: questions answered in a sentence, from the rows of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meta_pipeline.words import minute, times

from .answer import QuestionRows
from .words import number

Say = Callable[[QuestionRows], str]
_FIRST: dict[str, Say] = {}
"""What people ask first."""
_BESIDES: dict[str, Say] = {}


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence; `key` is the question it comes from, `observations` what it rests on."""

    key: str
    title: str
    question: str
    words: str
    observations: int
    is_enough: bool


def findings(answers: Mapping[str, QuestionRows]) -> list[Finding]:
    """What people ask first, in the order they ask it."""
    return [_finding(answers[key], say) for key, say in _FIRST.items() if key in answers]


def all_findings(answers: Mapping[str, QuestionRows]) -> list[Finding]:
    """A finding for every answer: what people ask first, then the rest."""
    said = {**_FIRST, **_BESIDES}
    by_key = {key: _finding(answers[key], say) for key, say in said.items() if key in answers}
    rest = [
        # A question that somebody adds as a file has no sentence of its own yet.
        _finding(one, lambda answer: f"{times(len(answer.rows), 'row')}.")
        for key, one in answers.items()
        if key not in by_key
    ]
    return [*by_key.values(), *rest]


def _finding(answer: QuestionRows, say: Say) -> Finding:
    asked = answer.question
    return Finding(
        key=asked.key,
        title=asked.title,
        question=asked.words,
        # "Not enough data" before any number: a percentage of three calls is none.
        words=answer.note or say(answer),
        observations=answer.observations,
        is_enough=answer.is_enough,
    )


def _says(key: str, where: dict[str, Say]) -> Callable[[Say], Say]:
    """What the answer to this question comes to, in a sentence; told in the order of this file."""

    def kept(say: Say) -> Say:
        where[key] = say
        return say

    return kept


@_says("throttle_envelope", _FIRST)
def _envelope(answer: QuestionRows) -> str:
    rows = answer.records()
    calls, refused = (sum(row[name] for row in rows) for name in ("calls", "throttled_calls"))
    answered = [row["answered_at_pct"] for row in rows if row["answered_at_pct"] is not None]
    highest = f" Calls were answered at up to {number(max(answered))} % usage." if answered else ""
    if not refused:
        return f"None of {times(calls, 'call')} was refused for a limit.{highest}"
    # The query orders by refused calls, the most first.
    worst = rows[0]
    at = worst["refused_at_pct"]
    seen = f", with usage read at {number(at)} %" if at is not None else ""
    return (
        f"{refused:,} of {times(calls, 'call')} ({number(100 * refused / calls)} %) refused for a "
        f"limit, most at {worst['endpoint_key']} ({worst['throttled_calls']:,}){seen}.{highest}"
    )


@_says("time_by_phase", _FIRST)
def _time(answer: QuestionRows) -> str:
    whole = answer.total()
    assert whole is not None
    network, database = float(whole["network_seconds"]), float(whole["database_seconds"])
    share = float(whole["network_pct"])
    if whole["bottleneck"] == "network":
        return (
            f"To the network: {share:.0f} % of a sync is waiting for Meta "
            f"({number(network)} s), the rest writing to Postgres ({number(database)} s)."
        )
    return (
        f"To the database: {100 - share:.0f} % of a sync is writing to Postgres "
        f"({number(database)} s), the rest waiting for Meta ({number(network)} s)."
    )


@_says("throttled_syncs", _FIRST)
def _throttled(answer: QuestionRows) -> str:
    rows = answer.records()
    names = ("syncs", "throttled_syncs", "by_meta", "by_governor")
    syncs, throttled, by_meta, by_governor = (sum(row[name] for row in rows) for name in names)
    if not throttled:
        return f"None of {times(syncs, 'sync')}."
    waited = sum(row["waited_minutes"] for row in rows)
    return (
        f"{throttled:,} of {times(syncs, 'sync')} ({number(100 * throttled / syncs, 1)} %): "
        f"{by_governor:,} held back by the governor, {by_meta:,} refused by Meta; "
        f"{number(waited, 0)} minutes of waiting. {rows[0]['account']}: {rows[0]['last_reason']}"
    )


@_says("cost_per_account", _FIRST)
def _cost(answer: QuestionRows) -> str:
    rows = answer.records()
    cost = sum(row["weighted_cost"] for row in rows)
    calls = sum(row["calls"] for row in rows)
    top = ", ".join(f"{row['account']} {number(row['share_pct'], 1)} %" for row in rows[:3])
    return f"{number(cost, 0)} in all, from {times(calls, 'call')}. Most: {top}."


@_says("expensive_accounts", _FIRST)
def _expensive(answer: QuestionRows) -> str:
    rows = answer.records()
    dear = [row for row in rows if row["verdict"] in ("expensive", "wasteful")]
    # Dear is said against the median of the others.
    if all(row["verdict"] == "not enough data" for row in rows):
        return "Not enough data: fewer than three accounts to compare."
    if not dear:
        top = rows[0]
        return (
            f"None: the dearest, {top['account']}, costs "
            f"{number(top['times_median'])} times the median account."
        )
    named = ", ".join(
        f"{row['account']} ({number(row['times_median'], 1)} times the median, {row['verdict']})"
        for row in dear[:4]
    )
    return f"{len(dear)} of {len(rows)}: {named}."


@_says("rows_per_call", _FIRST)
def _rows(answer: QuestionRows) -> str:
    whole = answer.total()
    assert whole is not None
    return (
        f"{number(whole['rows_written_per_call'], 1)} new or changed rows for each call: "
        f"{times(whole['rows_written'], 'row')} from {times(whole['calls'], 'call')}. "
        f"{whole['idle_syncs']:,} of {times(whole['syncs'], 'sync')} found nothing new."
    )


@_says("burst_by_hour", _FIRST)
def _burst(answer: QuestionRows) -> str:
    row = max(answer.records(), key=lambda one: (one["burst_per_minute"], one["calls"]))
    return (
        f"The busiest minute had {times(row['burst_per_minute'], 'call')}, between "
        f"{row['hour_utc']:02}:00 and {row['hour_utc']:02}:59 UTC, where "
        f"{number(row['sustained_per_minute'])} a minute are usual: "
        f"a burst of {number(row['burst_factor'], 1)} times."
    )


@_says("latency", _FIRST)
def _latency(answer: QuestionRows) -> str:
    whole = answer.total()
    assert whole is not None
    known = [(name, whole[f"{name}_ms"]) for name in ("p50", "p95", "p99")]
    said = ", ".join(f"{name} {number(ms, 0)} ms" for name, ms in known if ms is not None)
    slow = max(answer.parts(), key=lambda row: row["p50_ms"])
    return f"{said}. Slowest endpoint: {slow['endpoint_key']}, p50 {number(slow['p50_ms'], 0)} ms."


@_says("error_rate", _FIRST)
def _errors(answer: QuestionRows) -> str:
    whole = answer.total()
    assert whole is not None
    calls = times(whole["calls"], "call")
    if not whole["failed_calls"]:
        return f"None of {calls} failed."
    worst = max(answer.parts(), key=lambda row: row["failed_calls"])
    return (
        f"{whole['failed_calls']:,} of {calls} failed ({number(whole['error_pct'])} %), "
        f"most at {worst['endpoint_key']}: {worst['failures']}."
    )


@_says("call_cost", _FIRST)
def _guess(answer: QuestionRows) -> str:
    rows = answer.records()
    judged = [row for row in rows if row["verdict"] != "not enough data"]
    wrong = [row for row in judged if row["verdict"] != "about right"]
    if not judged:
        return f"Not enough data: none of {times(len(rows), 'query shape')} was seen often enough."
    if not wrong:
        return f"About right for all of {times(len(judged), 'query shape')} seen often enough."
    worst = wrong[0]
    return (
        f"{len(wrong)} of {times(len(judged), 'query shape')} seen often enough are wrong by more "
        f"than half: {worst['endpoint_key']} ({worst['query_shape']}) is guessed at "
        f"{number(worst['configured_weight'])}, observed at {number(worst['observed_weight'])}."
    )


@_says("freshness", _FIRST)
def _fresh(answer: QuestionRows) -> str:
    rows = answer.records()
    never = [row["account"] for row in rows if row["age_hours"] is None]
    oldest = max((row for row in rows if row["age_hours"] is not None),
                 key=lambda row: row["age_hours"], default=None)  # fmt: skip
    said = f"{len(rows) - len(never)} of {times(len(rows), 'account')} synced"
    said += f", the oldest ({oldest['account']}) {oldest['synced']}." if oldest else "."
    return f"{said} Never synced: {', '.join(never)}." if never else said


@_says("usage_over_time", _BESIDES)
def _usage(answer: QuestionRows) -> str:
    top = max(answer.records(), key=lambda row: row["usage_pct"])
    return (
        f"At most {number(top['usage_pct'])} % of a limit was used: {top['scope']}, "
        f"{minute(top['at'])}."
    )


@_says("calls_by_endpoint", _BESIDES)
def _calls(answer: QuestionRows) -> str:
    rows = answer.records()
    calls = sum(row["calls"] for row in rows)
    top = ", ".join(f"{row['endpoint_key']} {number(row['share_pct'], 1)} %" for row in rows[:3])
    return f"{times(calls, 'call')} to {times(len(rows), 'endpoint')}. Most: {top}."


@_says("sync_outcomes", _BESIDES)
def _outcomes(answer: QuestionRows) -> str:
    rows = answer.records()
    said = ", ".join(
        f"{row['syncs']:,} {row['status']} ({number(row['share_pct'], 1)} %)" for row in rows
    )
    return f"{times(sum(row['syncs'] for row in rows), 'sync')}: {said}."


@_says("throttle_incidents", _BESIDES)
def _incidents(answer: QuestionRows) -> str:
    rows = answer.records()
    names = ("refused_calls", "refused_in_vain")
    refused, in_vain = (sum(row[name] for row in rows) for name in names)
    newest = rows[0]
    return (
        f"{times(len(rows), 'incident')}, {times(refused, 'refused call')}, {in_vain:,} of them "
        f"although the block was known. Newest: {newest['account']}, "
        f"{minute(newest['started_at'])}."
    )


@_says("insight_ranges", _BESIDES)
def _ranges(answer: QuestionRows) -> str:
    rows = answer.records()
    long = sum(row["ranges_over_a_day"] for row in rows)
    levels = ", ".join(f"{row['entity_type']} {number(row['ranges_per_entity'])}" for row in rows)
    verdict = (
        f"{times(long, 'row')} cover more than a day: never add them to daily rows."
        if long
        else "Every row covers one day, so sums count no day twice."
    )
    return f"{verdict} Rows of an entity, by level: {levels}."
