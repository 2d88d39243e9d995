"""`meta-pipeline doctor`: what an upgrade of Meta's API would do to this installation."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .terminal.console import say, styled, write_json
from .terminal.options import AsJson

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings

app = typer.Typer(
    add_completion=False,
    name="doctor",
    no_args_is_help=True,
    help="What is going to break, before it does.",
)

_SDK = "facebook_business"
_OBJECTS = {
    "AdAccount": "adaccount",
    "Campaign": "campaign",
    "AdSet": "adset",
    "Ad": "ad",
    "AdCreative": "adcreative",
    "CustomConversion": "customconversion",
    "CustomAudience": "customaudience",
    "AdImage": "adimage",
    "AdsInsights": "adsinsights",
}
"""Meta's objects that are read, and the module of the SDK that has each."""
BREAKDOWNS = "breakdowns"


@app.callback()
def about() -> None:
    """What is going to break, before it does."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of the version in use and of the one looked at."""

    version: str
    """The version in use, such as `v26.0`."""
    version_text: str
    """How long that one lives, as a sentence."""
    days_left: int | None
    """Days until Meta takes it away; None where no end is announced."""
    is_expired: bool
    fix: str | None
    """What to do about it; None while there is nothing to do."""
    looked_at: str | None
    """The version that was asked about, else the next one; None where none is known."""
    looked_at_text: str | None
    table_as_of: str
    """The day on which our table of versions was compared with Meta's changelog."""
    asked: Mapping[str, list[str]]
    """What our queries name of each of Meta's objects, with the settings as they are."""
    lost: Mapping[str, list[str]]
    """What of that the looked-at version does not have, by the table or by the SDK."""
    unknown: Mapping[str, list[str]]
    """What the installed SDK lacks where it is of another version: perhaps only too old."""
    sdk: str | None
    """The version Meta's SDK is made for; None when it is not installed."""
    sdk_says: str
    """How far the SDK could be asked, as a sentence."""


@app.command("api-version")
def api_version(
    version: Annotated[
        str | None,
        typer.Argument(help="Version to look at, such as v27.0; the next after the one in use."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how long the API version in use is supported, and what queries would lose in the next.

    From the table of versions of this release and from the fields of the installed SDK; Meta is
    asked nothing. Exit code: 0, 1 when the version in use has expired or something would be lost.
    """
    from meta_pipeline.settings import Settings

    report = examine(Settings.load(), version)
    if as_json:
        write_json(asdict(report))
    else:
        _print(report)
    # For a weekly job: it fails months before syncs do.
    raise typer.Exit(1 if report.is_expired or report.lost else 0)


def examine(settings: Settings, version: str | None = None) -> Report:
    """Look at a version, the next one without; wrong usage for what is no version."""
    from meta_pipeline.graph.versions import AS_OF, gone_between, next_after, number, version_state

    today, used = datetime.now(UTC).date(), settings.api_version
    # What `number` makes of a text that is no version.
    if version is not None and number(version) == (0, 0):
        raise typer.BadParameter(f"{version!r} is not an API version such as v27.0")
    looked_at = version or next_after(used)
    state = version_state(used, today)
    asked = asked_names(settings)
    lost: dict[str, set[str]] = {}
    for part, patterns in (gone_between(used, looked_at) if looked_at else {}).items():
        matching = {
            name for name in asked.get(part, ()) if any(fnmatchcase(name, one) for one in patterns)
        }
        if matching:
            lost.setdefault(part, set()).update(matching)
    sdk, missing = _missing_in_sdk(asked)
    # Only an SDK of that very version may say that a field is gone: an older one does not know new
    # ones.
    is_looked_at = sdk is not None and looked_at is not None and number(sdk) == number(looked_at)
    for part, names in missing.items() if is_looked_at else ():
        lost.setdefault(part, set()).update(names)
    return Report(
        version=used,
        version_text=state.text,
        days_left=state.days_left,
        is_expired=not state.ok,
        fix=state.fix,
        looked_at=looked_at,
        looked_at_text=version_state(looked_at, today).text if looked_at else None,
        table_as_of=str(AS_OF),
        asked={part: sorted(names) for part, names in asked.items()},
        lost={part: sorted(names) for part, names in sorted(lost.items())},
        unknown={} if is_looked_at else {part: sorted(one) for part, one in missing.items()},
        sdk=sdk,
        sdk_says=_sdk_says(sdk, used, looked_at),
    )


def asked_names(settings: Settings) -> dict[str, set[str]]:
    """Every field and breakdown that the queries of these settings name, by Meta's object."""
    from meta_pipeline.model.part import Part
    from meta_pipeline.sync.rows import datasets
    from meta_pipeline.sync.rows.fields import ACCOUNT_FIELDS, ENTITY_SPECS

    objects = {
        Part.CAMPAIGNS: "Campaign",
        Part.ADSETS: "AdSet",
        Part.ADS: "Ad",
        Part.CREATIVES: "AdCreative",
        Part.CUSTOM_CONVERSIONS: "CustomConversion",
        Part.CUSTOM_AUDIENCES: "CustomAudience",
        Part.IMAGES: "AdImage",
    }
    asked = {"AdAccount": {one.name for one in ACCOUNT_FIELDS}}
    for part, spec in ENTITY_SPECS.items():
        asked[objects[part]] = {one.name for one in spec.fields}
    tables = [datasets.daily(level) for level in (*settings.insights_levels, "account")]
    tables += [datasets.broken_down(names) for names in settings.breakdowns]
    if settings.hourly_accounts:
        tables.append(datasets.hourly())
    asked["AdsInsights"] = {name for one in tables for name in one.fields}
    asked[BREAKDOWNS] = {name for one in tables for name in one.breakdowns}
    return asked


def _missing_in_sdk(asked: Mapping[str, set[str]]) -> tuple[str | None, dict[str, set[str]]]:
    """The SDK's API version, and the names it does not have; None where it is not installed."""
    try:
        version = importlib.import_module(f"{_SDK}.apiconfig").ads_api_config["API_VERSION"]
        described: dict[str, Any] = {
            part: getattr(importlib.import_module(f"{_SDK}.adobjects.{module}"), part)
            for part, module in _OBJECTS.items()
        }
        known = {part: set(vars(one)["_field_types"]) for part, one in described.items()}
        breakdowns = vars(described["AdsInsights"].Breakdowns)
        known[BREAKDOWNS] = {
            value for name, value in breakdowns.items() if not name.startswith("_")
        }
    except ImportError:
        return None, {}
    missing = {part: names - known[part] for part, names in asked.items()}
    return str(version), {part: names for part, names in missing.items() if names}


def _sdk_says(sdk: str | None, used: str, looked_at: str | None) -> str:
    if sdk is None:
        return (
            "Meta's SDK is not installed, so its fields were not compared: "
            "pip install facebook-business."
        )
    compared = f"Meta's SDK is of {sdk} and was compared field by field"
    if sdk == looked_at or looked_at is None:
        return f"{compared}."
    is_used = f", the version in use: it says nothing of {looked_at}"
    return f"{compared}{is_used if sdk == used else f': it says nothing of {looked_at}'}."


def _print(report: Report) -> None:
    count = sum(len(names) for part, names in report.asked.items() if part != BREAKDOWNS)
    mark = styled("✗", "red") if report.is_expired else styled("✓", "green")
    say(mark, f" In use: {report.version}, {report.version_text}")
    if report.fix:
        say(styled("Fix:", "yellow"), f" {report.fix}")
    if report.looked_at is None:
        say(f"No newer version was known on {report.table_as_of}.")
    else:
        say(f"  Looked at: {report.looked_at}, {report.looked_at_text}")
    say(
        f"  Asked for: {count} fields and {len(report.asked[BREAKDOWNS])} breakdowns, with the "
        "settings as they are"
    )
    for part, names in report.lost.items():
        say(styled("✗", "red"), f" {report.looked_at} has no {', '.join(names)} ({part})")
    if report.looked_at and not report.lost:
        known = f"the table of {report.table_as_of}"
        say(styled("✓", "green"), f" Nothing of it is lost in {report.looked_at}, by {known}")
    for part, names in report.unknown.items():
        say(styled("!", "yellow"), f" the SDK of {report.sdk} has no {', '.join(names)} ({part})")
    say(f"  {report.sdk_says}")
    if report.lost:
        say("Stay with the version in use until meta-pipeline is updated; days left are above.")
