"""What `check` asks Meta of the settings: whether it takes the windows and breakdowns they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from meta_pipeline.graph import GraphClient, GraphError, InvalidRequest, ValueRejected
from meta_pipeline.settings import Settings
from meta_pipeline.sync.read.refusals import BREAKDOWNS, SETTING_OF, WINDOWS


def settings_asked(
    client: GraphClient, settings: Settings, account_id: str
) -> Iterator[tuple[str, str, GraphError | None, str | None]]:
    """Setting, value, Meta's objection to it and what to do; one row is asked for each table."""
    named = settings.attribution_window_names
    if named:
        yield _asked(client, account_id, WINDOWS, named)
    for table in settings.breakdowns:
        yield _asked(client, account_id, BREAKDOWNS, table)


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
