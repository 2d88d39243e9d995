"""How long each version of the Marketing API lives: one table, with its date (FACTS §11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

AS_OF = date(2026, 11, 28)
"""The day the table was last compared with Meta's."""
GOOD_FOR = timedelta(days=120)
"""New versions come about every four months: an older table has missed one."""
WARN_BEFORE = timedelta(days=90)
"""Meta promises as much overlap between two versions."""
DEFAULT = "v26.0"
"""What is asked where nothing is set; the newest one that the official Python SDK knows."""

WARNING_HEADER = "x-ad-api-version-warning"
VERSION_HEADER = "facebook-api-version"
_META = "developers.facebook.com/docs/marketing-api/versions"
_VERSION = re.compile(r"v(\d{1,4})\.(\d{1,4})")


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One version: `ends` is the last day of its Marketing life, None while Meta names none.

    The Graph life of the same version is longer: a path may answer and its ads edges not (2635).
    """

    name: str
    released: date
    ends: date | None
    source: str = _META
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names that this version no longer has, by Meta's object or `breakdowns`; `*` is any end."""


TABLE: tuple[ApiVersion, ...] = (
    ApiVersion("v27.0", date(2026, 11, 4), None),
    ApiVersion(
        "v26.0",
        date(2026, 7, 29),
        None,
        gone={
            "AdsInsights": ("marketing_messages_website_*",),
            "AdSet": ("time_start", "time_stop", "line_number", "tune_for_category"),
        },
    ),
    ApiVersion(
        "v25.0",
        date(2026, 2, 18),
        date(2027, 2, 23),
        gone={"breakdowns": ("product_group_id", "product_set_id_breakdown")},
    ),
    ApiVersion("v24.0", date(2025, 10, 8), date(2026, 11, 10)),
    ApiVersion("v23.0", date(2025, 5, 29), date(2026, 6, 9)),
)
_BY_NAME = {one.name: one for one in TABLE}


@dataclass(frozen=True, slots=True)
class VersionState:
    """What the table says of a version on a day.

    `ok` is False for an expired one. `fix` says what to do, soon where `ok` is True: the version
    ends within 90 days, or the table itself is old. None when nothing has to be done.
    """

    version: str
    text: str
    days_left: int | None = None
    fix: str | None = None
    ok: bool = True


def version_state(version: str, today: date) -> VersionState:
    """How long `version` lives, seen from `today`; a table too old to say so says that instead."""
    known = _BY_NAME.get(version)
    newest, oldest = TABLE[0], TABLE[-1]
    use = f"Set META_API_VERSION={DEFAULT}, or leave it out."
    stale = table_problem(today)
    if known is None and number(version) > number(newest.name):
        text = f"newer than the newest this release knows ({newest.name}, table of {AS_OF})"
        return VersionState(version, text, fix=stale)
    if known is None:
        text = f"expired: older than {oldest.name}, which ended on {oldest.ends}"
        return VersionState(version, text, fix=use, ok=False)
    if known.ends is None:
        return VersionState(version, f"no end announced as of {AS_OF}", fix=stale)
    left = (known.ends - today).days
    if left < 0:
        return VersionState(version, f"expired on {known.ends}", left, use, ok=False)
    text = f"lives until {known.ends}, {left} days"
    return VersionState(version, text, left, use if left < WARN_BEFORE.days else stale)


def next_after(version: str) -> str | None:
    """The oldest version of the table that is newer than this one; None when none is."""
    newer = [one.name for one in TABLE if number(one.name) > number(version)]
    return newer[-1] if newer else None


def gone_between(version: str, newer: str) -> dict[str, tuple[str, ...]]:
    """What the versions after `version` up to `newer` took away, as `ApiVersion.gone`."""
    gone: dict[str, tuple[str, ...]] = {}
    for one in TABLE:
        if number(version) < number(one.name) <= number(newer):
            for part, names in one.gone.items():
                gone[part] = (*gone.get(part, ()), *names)
    return gone


def table_problem(today: date) -> str | None:
    """What to do when the table is too old to be believed on `today`; None while it is current."""
    age = (today - AS_OF).days
    if age <= GOOD_FOR.days:
        return None
    return (
        f"What this release knows of Meta's versions is {age} days old (of {AS_OF}): update "
        f"meta-pipeline, or look at {_META}."
    )


def version_notice(asked: str, headers: Mapping[str, str]) -> str | None:
    """What an answer says about its version, if anything: Meta's warning, or another version.

    `headers` have lower-cased names. Meta upgrades calls to a retired version where that changes
    nothing, and says so in these headers only.
    """
    warning = headers.get(WARNING_HEADER, "").strip()
    if warning:
        return warning
    answered = headers.get(VERSION_HEADER, "").strip()
    if _VERSION.fullmatch(answered) and answered != asked:
        return f"Meta answered a call to {asked} with {answered}."
    return None


def number(version: str) -> tuple[int, int]:
    """`v27.0` as numbers, to compare; (0, 0) for what is no version."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
