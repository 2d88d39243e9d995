"""What `check` asks Meta of the settings: whether it takes the windows and breakdowns they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from meta_pipeline.custom_reports import CustomReport, load
from meta_pipeline.graph import GraphClient, GraphError, InvalidRequest, ValueRejected
from meta_pipeline.settings import Settings
from meta_pipeline.sync.read.refusals import BREAKDOWNS, SETTING_OF, WINDOWS

REPORTS_SETTING = "META_REPORTS_FILE"


def settings_asked(
    client: GraphClient, settings: Settings, account_id: str
) -> Iterator[tuple[str, str, GraphError | None, str | None]]:
    """Setting, value, Meta's objection to it and what to do; one row is asked for each table.

    Raises ReportsError where the file of custom reports is wrong.
    """
    named = settings.attribution_window_names
    if named:
        yield _asked(client, account_id, WINDOWS, named)
    for table in settings.breakdowns:
        yield _asked(client, account_id, BREAKDOWNS, table)
    # Meta's own word on a combination is the only one that holds: its table is not published whole.
    for report in load(settings.reports_file) if settings.reports_file else ():
        if report.is_for(account_id):
            yield _asked_report(client, account_id, report)


def _asked_report(
    client: GraphClient, account_id: str, report: CustomReport
) -> tuple[str, str, GraphError | None, str | None]:
    params: dict[str, Any] = {
        "level": report.level,
        "fields": ",".join(report.fields),
        "date_preset": "yesterday",
        "limit": 1,
        "breakdowns": list(report.breakdowns),
        "action_breakdowns": list(report.action_breakdowns),
        "action_attribution_windows": list(report.attribution_windows or ()),
        "filtering": [one.as_meta() for one in report.filters],
    }
    # An empty list is refused as one of no values.
    asked = {name: value for name, value in params.items() if value}
    key = f"insights_{report.level}_custom"
    try:
        client.get(f"{account_id}/insights", asked, account_id=account_id, endpoint_key=key)
    except InvalidRequest as error:
        todo = f"Change report {report.name} in META_REPORTS_FILE: Meta does not take it."
        return REPORTS_SETTING, report.name, error, todo
    except GraphError as error:
        return REPORTS_SETTING, report.name, error, error.next_step
    return REPORTS_SETTING, report.name, None, None


def _asked(
    client: GraphClient, account_id: str, parameter: str, values: Sequence[str]
) -> tuple[str, str, GraphError | None, str | None]:
    params: dict[str, Any] = {
        "level": "ad",
        "fields": "spend,actions",
        "date_preset": "yesterday",
        "limit": 1,
        parameter: list(values),
    }
    setting, shown = SETTING_OF[parameter], ",".join(values)
    try:
        client.get(
            f"{account_id}/insights", params, account_id=account_id, endpoint_key="insights_ad"
        )
    except InvalidRequest as error:
        at = error.index if isinstance(error, ValueRejected) else None
        what = values[at] if at is not None and at < len(values) else shown
        return setting, shown, error, f"Take {what} out of {setting}: Meta does not take it."
    except GraphError as error:
        return setting, shown, error, error.next_step
    return setting, shown, None, None
