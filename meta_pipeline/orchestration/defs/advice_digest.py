"""The digest of advice: what is open, and what became of the last, through the alert channels."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import dagster as dg

from meta_pipeline.advisor import (
    AdviceRow,
    TrackRecord,
    count_open_advice,
    open_advice,
    track_record,
)
from meta_pipeline.alerts import Message, Paragraph, channels_of, tell_all
from meta_pipeline.orchestration.executor import own_job
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.printable import one_line
from meta_pipeline.words import times

HERE = here()

JOB = "advice_digest"
CRON = "17 7 * * *"
"""In the morning of Europe, before the day's work on accounts; the setting says on which days."""
OFF = (
    "The digest goes through the alert channels, and none is set: META_ALERT_WEBHOOK_URL, "
    "META_ALERT_EMAIL_TO or META_ALERT_LOG=true (docs/operations.md)."
)
# As datetime.weekday counts them.
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TOLD = 10
"""Pieces of advice that are told in full; the rest is counted by kind."""
_MARKS = {"high": "🔴", "medium": "🟡", "low": "⚪"}


@dg.op(
    name=HERE.named("tell_advice"),
    config_schema={},
    description="Tell the open advice, the most urgent first, through every alert channel.",
)
@asking
def tell_advice(
    context: dg.OpExecutionContext,
    warehouse: WarehouseResource,
) -> None:
    settings = warehouse.settings()
    channels = channels_of(settings)
    if not channels:
        raise dg.Failure(OFF, allow_retries=False)
    with warehouse.migrated("advice digest") as opened, opened.connection() as connection:
        counts, rows = count_open_advice(connection), open_advice(connection, limit=_TOLD)
        record = track_record(connection)
        names = dict(
            connection.execute(
                "SELECT account_id, coalesce(name, account_id) FROM meta_ads.meta_ad_accounts"
            ).fetchall()
        )
    message = digest(rows, counts, record, names, is_simulated=settings.is_simulated)
    told = tell_all(channels, message)
    context.add_output_metadata(
        {
            "open": counts.total(),
            "channels": len(told),
            "subject": message.subject,
        }
    )
    broken = [f"{one.channel}: {one.error}" for one in told if one.error]
    if broken:
        raise dg.Failure(
            f"The digest was not delivered by {times(len(broken), 'channel')}: "
            f"{'; '.join(broken)}. Mend the channel, then start job "
            f"{HERE.named(JOB)}: it tells all again.",
            # Tried again by itself, it would be told twice by the channels that work.
            allow_retries=False,
        )


@own_job(
    JOB,
    "Tell the open advice and what became of the last, through the alert channels.",
    max_runtime_seconds=600,
)
def advice_digest_job() -> None:
    tell_advice()


@dg.schedule(
    name=HERE.named(JOB),
    job=advice_digest_job,
    cron_schedule=CRON,
    execution_timezone="UTC",
    default_status=HERE.schedule_status,
    description="On the day META_ADVICE_DIGEST names (or daily): the open advice through the "
    "alert channels. Without a channel it says so.",
)
@asking
def advice_digest(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    settings = warehouse.settings()
    if settings.advice_digest == "off":
        return dg.SkipReason("META_ADVICE_DIGEST is off.")
    if not is_day(settings.advice_digest, context.scheduled_execution_time):
        return dg.SkipReason(f"Not today: META_ADVICE_DIGEST is {settings.advice_digest}.")
    if not channels_of(settings):
        return dg.SkipReason(OFF)
    return dg.RunRequest(tags={"reason": "schedule"})


def is_day(setting: str, at: datetime) -> bool:
    """Whether the setting names the day of a moment."""
    return setting in {"daily", _DAYS[at.weekday()]}


def digest(
    rows: Sequence[AdviceRow],
    counts: Counter[tuple[str, str]],
    record: TrackRecord,
    names: Mapping[str, str],
    *,
    is_simulated: bool = False,
) -> Message:
    """Each of `rows` in a paragraph: what to do, why, numbers, method, doubt; the rest counted.

    `counts` are those of all that is open, by account and kind.
    """
    mark = "[simulated data] " if is_simulated else ""
    accounts = len({account_id for account_id, _ in counts})
    said = (
        f"{times(counts.total(), 'open matter')} in {times(accounts, 'account')}"
        if counts
        else "nothing is open"
    )
    return Message(
        f"{mark}meta_pipeline advice: {said}",
        (*_paragraphs(rows, counts, names), Paragraph(record.sentence, ())),
        counts.total(),
        0,
    )


def _paragraphs(
    rows: Sequence[AdviceRow], counts: Counter[tuple[str, str]], names: Mapping[str, str]
) -> Iterator[Paragraph]:
    for row in rows:
        numbers = ", ".join(f"{name} {value}" for name, value in row.numbers.items())
        yield Paragraph(
            f"{_MARKS.get(row.severity, '')} {one_line(row.what)}",
            (
                one_line(row.why),
                f"Account: {one_line(names.get(row.account_id, row.account_id))}",
                f"Numbers: {one_line(numbers)}",
                f"Method: {one_line(row.method)}",
                f"Doubt: {one_line(row.doubt)}",
            ),
            row.ads_manager_url,
            "Open in Ads Manager",
        )
    rest = Counter[str]()
    for (_, kind), count in (counts - Counter((row.account_id, row.kind) for row in rows)).items():
        rest[kind] += count
    if rest:
        listed = ", ".join(
            f"{count} {kind.replace('_', ' ')}" for kind, count in rest.most_common()
        )
        yield Paragraph(f"And {rest.total()} more: {listed}", ("meta-pipeline advice list",))
