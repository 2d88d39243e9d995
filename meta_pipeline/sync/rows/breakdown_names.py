"""Breakdown names: those that Meta's API knows, so that a slip is told before a call is made."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from meta_pipeline.custom_reports.contract import SDK_BREAKDOWNS, VERSION

NAMES = SDK_BREAKDOWNS


def refuse_unknown(names: Iterable[str], api_version: str) -> None:
    """Raise ValueError for a name that is no breakdown; a newer API version may know more."""
    if tuple(int(part) for part in api_version.removeprefix("v").split(".")) > VERSION:
        return
    unknown = [name for name in names if name not in NAMES]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], NAMES, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else "Meta has age, gender, country, ..."
    raise ValueError(f"{unknown[0]!r} is not a breakdown of {api_version}: {offer}")
