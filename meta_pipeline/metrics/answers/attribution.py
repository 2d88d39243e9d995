"""Where the conversions of an answer were counted by unequal attribution settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW
from meta_pipeline.metrics.once import once_each

from .delivered import of_delivered
from .question import Question

# The most frequent ones; that there are several is what is to be told.
_SHOWN = 3
_EVENTS = {"CLICK_THROUGH": "click", "VIEW_THROUGH": "view", "ENGAGED_VIDEO_VIEW": "ev"}


def attribution_notes(connection: Connection[Any], question: Question) -> list[str]:
    """A sentence if conversions count by the settings of ad sets, and these differ.

    Since 2025-06-10 Meta's default value follows the attribution setting of each ad set, whatever
    is asked for (FACTS section 5.2): a lead within seven days of a click is dearer than one within
    a day of a view. A window that is asked for by name is the same for all.
    """
    if question.attribution != DEFAULT_WINDOW or not question.counts_conversions:
        return []
    known = once_each(connection, "attribution", question.account_ids, partial(_known, connection))
    # Most accounts have one setting, and for those the rows need not be looked at.
    if len(set[str]().union(*known.values())) < 2:
        return []
    counts = Counter[str]()
    for spec, adsets in of_delivered(connection, question, _SETTINGS):
        counts[_setting(spec)] += adsets
    if len(counts) < 2:
        return []
    listed = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common(_SHOWN))
    more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    said = f"Conversions of these ad sets count by different attribution settings: {listed}{more}. "
    return [said + "To compare them, ask with one attribution window for all, such as 7d_click."]


def _known(connection: Connection[Any], accounts: list[str]) -> dict[str, set[str]]:
    """The settings of each account's ad sets, whether they delivered or not."""
    by_account: dict[str, set[str]] = {account_id: set() for account_id in accounts}
    for account_id, spec in connection.execute(_KNOWN, (accounts,)):
        by_account[account_id].add(_setting(spec))
    return by_account


def _setting(spec: Sequence[dict[str, Any]]) -> str:
    """The setting as Meta writes it in `attribution_setting`: 7d_click_1d_view."""
    days = {str(one.get("event_type")): one.get("window_days") for one in spec}
    words = _EVENTS | {event: event.lower() for event in days if event not in _EVENTS}
    return "_".join(f"{days[event]}d_{word}" for event, word in words.items() if event in days)


_KNOWN = """
    SELECT DISTINCT account_id, attribution_spec
    FROM meta_ads.meta_adsets
    WHERE account_id = ANY (%s) AND jsonb_typeof(attribution_spec) = 'array'
"""
# A setting that is no list was never read, or is of an ad set that has none: it says nothing.
_SETTINGS = """
    SELECT own.attribution_spec, count(DISTINCT f.adset_id)
    FROM {rows}
    JOIN meta_ads.meta_adsets AS own ON own.adset_id = f.adset_id
    {joins}
    WHERE jsonb_typeof(own.attribution_spec) = 'array' AND {kept}
    GROUP BY own.attribution_spec
"""
