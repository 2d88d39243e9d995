"""`meta-pipeline check`: is everything there that a sync needs? Changes nothing."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from time import monotonic
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from urllib3.exceptions import HTTPError

from meta_pipeline import quality
from meta_pipeline.alerts import limits_of
from meta_pipeline.graph import (
    GraphClient,
    GraphError,
    PermissionDenied,
    Reauthorize,
    TokenInfo,
    VersionExpired,
    version_state,
)
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.printable import one_line
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.sync.account_node import oddities
from meta_pipeline.sync.days import today
from meta_pipeline.warehouse import CannotTell, DatabaseNewer, DatabaseOutdated, Warehouse
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.wire import Allowance, DirectSession, TooLarge, TooLate, within

from . import profile
from .asked import settings_asked
from .check_database import database_findings
from .console import add_row, console, line, say, styled, table, write_json
from .database import database, opened, opened_warehouse
from .finding import Finding
from .mistakes import CANNOT_TELL

_SCOPE = "ads_read"
_PROBE_SECONDS = 5
_PROBE_BYTES = 100_000
_WARN_BEFORE = timedelta(days=14)
_ACCOUNTS_SHOWN = 50
_ACCOUNTS_NAMED = 5
_STATUS_WORDS = {2: "disabled", 3: "unsettled", 7: "in risk review", 9: "in grace", 101: "closed"}


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Ask the stored data instead: freshness, gaps, sums, ...")
    ] = False,
) -> None:
    """Check token, scopes, accounts, insights and Postgres, or the stored data; changes nothing.

    Exit code: 0 all is well, 1 something needs a fix, which is said beside it, 3 cannot tell: the
    database did not answer within a minute, or a lock held a table for more than five seconds.
    """
    findings = [*_data()] if data else [*_needs()]
    problems = sum(not finding.ok and finding.is_known for finding in findings)
    unknown = sum(not finding.is_known for finding in findings)
    if as_json:
        write_json([asdict(finding) for finding in findings])
    else:
        _print(findings, problems, unknown)
    raise typer.Exit(1 if problems else CANNOT_TELL if unknown else 0)


def _needs() -> Iterator[Finding]:
    """What a sync needs: Meta and Postgres, each looked at whatever is wrong with the other."""
    if not profile.is_demo():
        settings = Settings.load()
        yield from _meta(settings)
        yield from database_findings(database(settings), settings)
        return
    with opened(with_graph=True) as (settings, url):
        yield from _meta(settings)
        yield from database_findings(nullcontext(url), settings)


def _meta(settings: Settings) -> Iterator[Finding]:
    try:
        token = settings.require_token()
    except SettingsError as error:
        yield Finding("Token", "META_ACCESS_TOKEN", ok=False, text="not set", fix=str(error))
        return
    secret = settings.app_secret.get_secret_value() if settings.app_secret else None
    notices: list[str | None] = []
    with GraphClient(
        access_token=token,
        base_url=settings.graph_url,
        trusted_url=settings.trusted_graph_url,
        deadline_seconds=settings.call_deadline_seconds,
        max_answer_bytes=int(settings.max_answer_mb * 1_000_000),
        version=settings.api_version,
        app_secret=secret,
        on_attempt=lambda attempt: notices.append(attempt.version_notice),
    ) as client:
        host = f"{client.base_url}/{client.version}"
        if settings.is_simulated:
            yield _not_metas(settings.graph_url, host)
        yield from _token(client, settings)
        try:
            yield from _accounts(client, settings)
        except GraphError as error:
            yield _failed("Accounts", host, error)
        yield from _version(client.version, notices)


def _version(version: str, notices: list[str | None]) -> Iterator[Finding]:
    """How long the version in use lives, and what Meta's answers said of it just now."""
    state = version_state(version, datetime.now(UTC).date())
    yield Finding("API version", version, ok=state.ok, text=state.text, fix=state.fix)
    for notice in dict.fromkeys(filter(None, notices)):
        fix = "Set META_API_VERSION to a version that lives; docs/tokens.md lists them."
        yield Finding("API version", version, ok=False, text=notice, fix=fix)


def _not_metas(url: str, host: str) -> Finding:
    """Whether a host that is not Meta's is there on purpose: a simulator, or on this machine."""
    if _is_simulator(url):
        return Finding("Graph API", host, ok=True, text="a simulator: the data is not real")
    if _is_here(url):
        text = "on this machine, not Meta's: the data counts as simulated"
        return Finding("Graph API", host, ok=True, text=text)
    text = "the host that META_TRUSTED_GRAPH_URL names: the data counts as simulated"
    return Finding("Graph API", host, ok=True, text=text)


def _is_here(url: str) -> bool:
    """Whether the host is this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_simulator(url: str) -> bool:
    allowance = Allowance(monotonic, _PROBE_SECONDS, _PROBE_SECONDS, _PROBE_BYTES)
    try:
        with DirectSession() as session, within(allowance):
            answer = session.get(f"{url}/_sim/ready", timeout=_PROBE_SECONDS, stream=True)
            return answer.status_code == 200
    except (OSError, HTTPError, TooLate, TooLarge):
        return False


def _token(client: GraphClient, settings: Settings) -> Iterator[Finding]:
    try:
        me = client.me()
    except GraphError as error:
        yield _failed("Token", "META_ACCESS_TOKEN", error)
        return
    name = str(me.get("name") or me.get("id"))
    try:
        info = client.debug_token(app_id=settings.app_id)
    except GraphError:
        hint = "scopes and expiry not known: set META_APP_ID and META_APP_SECRET to see them"
        yield Finding("Token", name, ok=True, text=f"valid; {hint}")
        return
    yield _validity(name, info)
    may_read = not quality.missing_scopes(info.scopes)
    fix = f"Make a token with the scope {_SCOPE} and put it in META_ACCESS_TOKEN."
    scopes = ", ".join(info.scopes) or "none"
    yield Finding("Scopes", name, ok=may_read, text=scopes, fix=None if may_read else fix)


def _validity(name: str, info: TokenInfo) -> Finding:
    left = info.remaining(datetime.now(UTC))
    renew = "Make a new token and put it in META_ACCESS_TOKEN; docs/tokens.md shows how."
    if not info.is_valid:
        reason = info.error.message if info.error else "not valid"
        return Finding("Token", name, ok=False, text=reason, fix=renew)
    if left is None:
        return Finding("Token", name, ok=True, text=f"{info.type or 'token'}, no end named")
    text = f"{info.type or 'token'}, expires in {left.days} days"
    soon = left < _WARN_BEFORE
    return Finding("Token", name, ok=not soon, text=text, fix=renew if soon else None)


def _accounts(client: GraphClient, settings: Settings) -> Iterator[Finding]:
    found: list[dict[str, Any]] = []
    for page in client.pages(
        "me/adaccounts",
        {"fields": "id,name,currency,timezone_name,account_status"},
        account_id=None,
        endpoint_key="ad_accounts_list",
        page_size=200,
    ):
        found += page.rows
    if not found:
        fix = "Give the token's user a role on an ad account in Meta's business settings."
        yield Finding("Accounts", "none", ok=False, text="the token sees no account", fix=fix)
    readable = None
    for given in found[:_ACCOUNTS_SHOWN]:
        finding = _account(client, given)
        yield finding
        readable = readable or (given["id"] if finding.ok else None)
    for setting, value, error, todo in (
        settings_asked(client, settings, readable) if readable else ()
    ):
        text = error.message if error else f"{value}: Meta takes it"
        yield Finding("Insights", setting, ok=error is None, text=text, fix=todo)
    if len(found) > _ACCOUNTS_SHOWN:
        rest = len(found) - _ACCOUNTS_SHOWN
        yield Finding("Accounts", f"{rest} more", ok=True, text="not read here")


def _account(client: GraphClient, given: dict[str, Any]) -> Finding:
    subject = f"{given['id']} {given.get('name', '')}".strip()
    try:
        answer = client.get(
            f"{given['id']}/insights",
            {"level": "account", "fields": "spend,impressions", "date_preset": "yesterday"},
            account_id=given["id"],
            endpoint_key="insights_account",
        )
    except GraphError as error:
        return _failed("Account", subject, error)
    rows = answer.body.get("data") or [{}]
    spend = f"yesterday {rows[0].get('spend', '0')} {given.get('currency', '')}"
    zone = given.get("timezone_name")
    local = f"{zone}, today {today(datetime.now(UTC), zone if isinstance(zone, str) else None)}"
    odd = "; ".join(oddities(given.get("currency"), zone))
    local += f"; {odd}" if odd else ""
    status = given.get("account_status")
    known = _STATUS_WORDS.get(status) if isinstance(status, int) else None
    word = "" if status == 1 else f"account is {known or status}; "
    return Finding("Account", subject, ok=True, text=f"{word}{spend}; {local}{_tier(answer.usage)}")


def _tier(usage: tuple[UsageReading, ...]) -> str:
    tiers = {reading.access_tier for reading in usage if reading.access_tier}
    worst = max((reading.usage_pct for reading in usage), default=None)
    named = f"; {', '.join(sorted(tiers))}" if tiers else ""
    return f"{named}; {worst:.0f} % of the hour's allowance used" if worst else named


def _failed(what: str, subject: str, error: GraphError) -> Finding:
    code = f" (Meta {error.code_text})" if error.code_text else ""
    fix = error.next_step
    if isinstance(error, PermissionDenied):
        fix = (
            "Business settings → Accounts → Ad accounts → this account → Add people → the "
            "token's user, with View performance."
        )
    elif isinstance(error, Reauthorize):
        fix = "Put a new token in META_ACCESS_TOKEN; docs/tokens.md shows how to get one."
    elif isinstance(error, VersionExpired):
        fix = "Set META_API_VERSION=v26.0, or leave it out."
    return Finding(what, subject, ok=False, text=f"{error.message}{code}", fix=fix)


def _data() -> Iterator[Finding]:
    """The checks that Dagster's job `data_quality` asks, without Dagster."""
    try:
        with opened_warehouse(max_connections=1) as (settings, warehouse):
            yield from _of_stored(settings, warehouse)
    except (DatabaseOutdated, DatabaseNewer) as error:
        yield Finding("Data", SCHEMA, ok=False, text=str(error))


def _of_stored(settings: Settings, warehouse: Warehouse) -> Iterator[Finding]:
    if not any(one.insight_rows for one in warehouse.accounts.health()):
        text = "no insights are stored: there is nothing to check"
        yield Finding("Data", SCHEMA, ok=False, text=text, fix="Sync an account first.")
        return
    for one in quality.CHECKS:
        try:
            with warehouse.connection() as connection:
                found = one.run(connection, limits_of(settings))
        except CannotTell as error:
            yield Finding("Data", one.name, ok=False, text=str(error), is_known=False)
            continue
        named = f" {', '.join(found.accounts[:_ACCOUNTS_NAMED])}" if found.accounts else ""
        fix = None if found.passed else found.what_to_do
        text = f"{found.headline}{named}"
        yield Finding("Data", found.check, ok=found.passed, text=text, fix=fix)


def _print(findings: list[Finding], problems: int, unknown: int) -> None:
    shown = table("", "", "", show_header=False)
    last = ""
    for finding in findings:
        wrong = styled("✗", "red") if finding.is_known else styled("?", "yellow")
        mark = styled("✓", "green") if finding.ok else wrong
        what = finding.what if finding.what != last else ""
        last = finding.what
        add_row(shown, what, line(mark, f" {one_line(finding.subject)}"), finding.text)
        if finding.fix:
            add_row(shown, "", "", line(styled("Fix:", "yellow"), f" {one_line(finding.fix)}"))
    console.print(shown)
    word = "problem" if problems == 1 else "problems"
    if problems:
        say(f"{problems} {word}. Nothing was changed.")
    elif unknown:
        say("Cannot tell whether all is well: the database did not answer in time.")
    else:
        say("All is well.")
