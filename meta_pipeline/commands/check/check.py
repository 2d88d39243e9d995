"""`meta-pipeline check`: is everything there that a sync needs? Changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from time import monotonic
from typing import Annotated, Any
from urllib.parse import urlsplit

import psycopg
import typer
from urllib3.exceptions import HTTPError

from meta_pipeline import quality
from meta_pipeline.alerts import limits_of
from meta_pipeline.commands import profile
from meta_pipeline.commands.database import database, opened, opened_warehouse
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    errors,
    line,
    say,
    say_more,
    styled,
    table,
    write_json,
)
from meta_pipeline.commands.terminal.mistakes import CANNOT_TELL
from meta_pipeline.commands.terminal.options import Accounts, AsJson, Limit, length
from meta_pipeline.embedded import EmbeddedPostgresError
from meta_pipeline.graph import GraphClient, GraphError, Reauthorize, TokenInfo, version_state
from meta_pipeline.printable import one_line
from meta_pipeline.reports.status import read_status
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.warehouse import (
    CannotTell,
    DatabaseNewer,
    DatabaseOutdated,
    Warehouse,
    WarehouseError,
)
from meta_pipeline.warehouse.connect import READER
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.wire import Allowance, DirectSession, TooLarge, TooLate, within

from .accounts import Budget, Reader
from .asked import settings_asked
from .connections import connection_findings
from .database import database_findings
from .finding import Finding, failed
from .ways import ENVIRONMENT, AskedWay, opened_ways

_SCOPE = "ads_read"
_PASTE = "meta-pipeline connections add --paste"
_PROBE_SECONDS = 5
_PROBE_BYTES = 100_000
_WARN_BEFORE = timedelta(days=14)
_ACCOUNTS_NAMED = 5
_SHOWN = 30
_LEFT_OUT = "not asked: META_INCLUDE_ACCOUNTS or META_EXCLUDE_ACCOUNTS leave them out of syncs"


Data = Annotated[
    bool, typer.Option("--data", help="Ask the stored data instead: freshness, gaps, sums, ...")
]
Calls = Annotated[
    int, typer.Option("--calls", min=1, help="Accounts to ask at most; each is one call.")
]
Within = Annotated[
    str, typer.Option("--within", metavar="TIME", help="No account is asked after so long.")
]


def check(
    account: Accounts = None,
    data: Data = False,
    calls: Calls = 1000,
    within: Within = "60s",
    limit: Limit = _SHOWN,
    as_json: AsJson = False,
) -> None:
    """Check token, scopes, accounts, insights and Postgres, or the stored data; changes nothing.

    Accounts are asked several at once, never those that Meta blocks now, and none any more when
    the budget is used or the app is near its limit; which were left out is said. JSON has every
    finding, whatever --limit says.

    Exit code: 0 all is well, 1 something needs a fix, which is said beside it, 3 cannot tell: the
    database did not answer within a minute, or a lock held a table for more than five seconds.
    """
    longest = length(within) or timedelta(0)
    findings = [*_data()] if data else [*_needs(account or (), calls, longest)]
    problems = sum(not finding.ok and finding.is_known for finding in findings)
    unknown = sum(not finding.is_known for finding in findings)
    if as_json:
        write_json([asdict(finding) for finding in findings])
    else:
        _print(findings, limit, problems, unknown)
    raise typer.Exit(1 if problems else CANNOT_TELL if unknown else 0)


def _needs(accounts: Sequence[str], calls: int, within: timedelta) -> Iterator[Finding]:
    """What a sync needs: Meta and Postgres, each looked at whatever is wrong with the other."""
    if not profile.is_demo():
        settings = Settings.load()
        asked = _Asked(accounts, calls, within, _blocked(database(settings)))
        stored = [*connection_findings(database(settings), settings)]
        yield from _meta(settings, database(settings), asked, stored)
        yield from database_findings(database(settings), settings)
        return
    with opened(with_graph=True) as (settings, url):
        asked = _Asked(accounts, calls, within, _blocked(nullcontext(url)))
        stored = [*connection_findings(nullcontext(url), settings)]
        yield from _meta(settings, nullcontext(url), asked, stored)
        yield from database_findings(nullcontext(url), settings)


def _blocked(its_url: AbstractContextManager[str]) -> Mapping[str, str]:
    """Accounts that Meta blocks now, as far as the tables know; what is wrong with them is told
    later.
    """
    try:
        with its_url as url, Warehouse(url, max_connections=1, patience=READER) as warehouse:
            if warehouse.pending():
                return {}
            known = read_status(warehouse, leaves_out=lambda _: False)
            return {one.account_id: one.waiting for one in known if one.waiting}
    except (WarehouseError, EmbeddedPostgresError, psycopg.Error):
        return {}


def _meta(
    settings: Settings,
    its_url: AbstractContextManager[str],
    asked: "_Asked",
    stored: Sequence[Finding],
) -> Iterator[Finding]:
    """Every way in is asked: META_ACCESS_TOKEN where it is set, and the stored connections."""
    yield from stored
    notices: list[str | None] = []
    with opened_ways(its_url, settings, lambda attempt: notices.append(attempt.version_notice)) as (
        ways,
        problems,
    ):
        yield from problems
        if settings.access_token is None:
            yield _without_token(settings, ways)
        if not ways:
            return
        version = ways[0].client.version
        host = f"{ways[0].client.base_url}/{version}"
        if settings.is_simulated:
            yield _not_metas(settings.graph_url, host)
        if ways[0].is_environment:
            yield from _token(ways[0].client, settings)
        yield from _accounts(ways, settings, asked, host)
        yield from _version(version, notices)


def _without_token(settings: Settings, ways: Sequence[AskedWay]) -> Finding:
    """What it means that META_ACCESS_TOKEN is not set."""
    if ways:
        text = "not set: accounts are read over the stored connections"
        return Finding("Token", ENVIRONMENT, ok=True, text=text)
    try:
        settings.require_token()
    except SettingsError as error:
        fix = str(error)
    return Finding("Token", ENVIRONMENT, ok=False, text="not set", fix=fix)


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
        yield failed("Token", "META_ACCESS_TOKEN", error)
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


def _accounts(
    ways: Sequence[AskedWay], settings: Settings, asked: "_Asked", host: str
) -> Iterator[Finding]:
    """Each account once, over the first way that lists it; then the settings, over one of them."""
    listed: list[tuple[AskedWay, list[dict[str, Any]]]] = []
    problems: list[Finding] = []
    reached: dict[str, dict[str, Any]] = {}
    for way in ways:
        try:
            rows = [one for one in _listed(way) if one["id"] not in reached]
        except GraphError as error:
            problems.append(_no_list(way, host, error))
            continue
        reached |= {one["id"]: one for one in rows}
        listed.append((way, rows))
    yield from problems
    if not reached and listed:
        fix = "Give the token's user a role on an ad account in Meta's business settings."
        yield Finding("Accounts", "none", ok=False, text="the token sees no account", fix=fix)
    if asked.accounts:
        yield from _unseen(asked.accounts, [*reached.values()])
    elif not problems:
        # What a way that gave no list sees is not known.
        yield from _never_seen(settings, [*reached.values()])
    if not asked.accounts and (left := sum(settings.leaves_out(one) for one in reached)):
        yield Finding("Accounts", f"{left:,} of {len(reached):,}", ok=True, text=_LEFT_OUT)
    budget, readable = asked.budget(settings), None
    for way, rows in listed:
        wanted = [
            one
            for one in rows
            if (asked.names(one) if asked.accounts else not settings.leaves_out(one["id"]))
        ]
        reader = Reader(way.client, budget, asked.blocked, _tell)
        for finding in reader.findings(wanted):
            yield finding
            is_read = finding.ok and finding.what == "Account" and readable is None
            is_read = is_read and finding.subject.partition(" ")[0] not in asked.blocked
            readable = (way, finding.subject.partition(" ")[0]) if is_read else readable
        budget = budget.without(reader.asked, reader.seconds)
    for setting, value, refusal, todo in (
        settings_asked(readable[0].client, settings, readable[1]) if readable else ()
    ):
        text = refusal.message if refusal else f"{value}: Meta takes it"
        yield Finding("Insights", setting, ok=refusal is None, text=text, fix=todo)


def _listed(way: AskedWay) -> Iterator[dict[str, Any]]:
    """The accounts a way lists, of those that are read over it."""
    for page in way.client.pages(
        "me/adaccounts",
        {"fields": "id,name,currency,timezone_name,account_status"},
        account_id=None,
        endpoint_key="ad_accounts_list",
        page_size=200,
    ):
        yield from (one for one in page.rows if way.chosen is None or one["id"] in way.chosen)


def _no_list(way: AskedWay, host: str, error: GraphError) -> Finding:
    if way.is_environment:
        return failed("Accounts", host, error)
    finding = failed("Connection", way.label, error)
    is_dead = isinstance(error, Reauthorize)
    return replace(finding, fix=f"Connect it again, or: {_PASTE}") if is_dead else finding


def _never_seen(settings: Settings, reached: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """The accounts that are to be synced alone, and that the token does not see."""
    for name in sorted(settings.included - {one["id"] for one in reached}):
        text = f"META_INCLUDE_ACCOUNTS names it; the token sees {len(reached):,} others"
        fix = "Give the token's user a role on it, or take it out of META_INCLUDE_ACCOUNTS."
        yield Finding("Account", name, ok=False, text=text, fix=fix)


def _unseen(names: Sequence[str], reached: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """The accounts asked for that the token does not see."""
    known = {str(word).casefold() for one in reached for word in (one["id"], one.get("name"))}
    for name in names:
        if not {name.casefold(), f"act_{name}"} & known:
            text = f"the token sees no such account among its {len(reached):,}"
            fix = "meta-pipeline check lists what it sees; give the token's user a role on it."
            yield Finding("Account", name, ok=False, text=text, fix=fix)


def _tell(words: str) -> None:
    say(styled(words, "dim"), to=errors)


@dataclass(frozen=True)
class _Asked:
    """What the command line asked of the accounts."""

    accounts: Sequence[str]
    calls: int
    within: timedelta
    blocked: Mapping[str, str]

    def names(self, given: Mapping[str, Any]) -> bool:
        """Whether an account is one of those asked for, by id or name."""
        name = str(given.get("name") or "").casefold()
        return any(
            one in (given["id"], given["id"][4:]) or one.casefold() == name for one in self.accounts
        )

    def budget(self, settings: Settings) -> Budget:
        return Budget(self.calls, self.within.total_seconds(), settings.app_usage_stop_pct)


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
                finding = one.run(connection, limits_of(settings))
        except CannotTell as error:
            yield Finding("Data", one.name, ok=False, text=str(error), is_known=False)
            continue
        named = f" {', '.join(finding.accounts[:_ACCOUNTS_NAMED])}" if finding.accounts else ""
        left = len(finding.accounts) - _ACCOUNTS_NAMED
        named += f" ... and {left:,} more: meta-pipeline status --failing" if left > 0 else ""
        fix = None if finding.passed else finding.what_to_do
        text = f"{finding.headline}{named}"
        yield Finding("Data", finding.check, ok=finding.passed, text=text, fix=fix)


def _print(findings: list[Finding], limit: int, problems: int, unknown: int) -> None:
    accounts = [one for one in findings if one.what == "Account"]
    ranked = sorted(accounts, key=lambda one: (one.ok, one.is_known))
    listed = ranked[:limit]
    _print_table([one for one in findings if one.what != "Account" or one in listed])
    say_more(len(ranked) - len(listed), f"--limit {len(ranked)} or --json shows them")
    word = "problem" if problems == 1 else "problems"
    if problems:
        say(f"{problems} {word}. Nothing was changed.")
    elif unknown:
        say("Cannot tell whether all is well: the database did not answer in time.")
    elif any(one.is_partial for one in findings):
        say("All that was looked at is well; some accounts were left out, as said above.")
    else:
        say("All is well.")


def _print_table(findings: list[Finding]) -> None:
    shown = table("", "", "", show_header=False)
    last = ""
    for finding in findings:
        wrong = styled("✗", "red") if finding.is_known else styled("?", "yellow")
        mark = styled("…", "yellow") if finding.is_partial else styled("✓", "green")
        what = finding.what if finding.what != last else ""
        last = finding.what
        mark = mark if finding.ok else wrong
        add_row(shown, what, line(mark, f" {one_line(finding.subject)}"), finding.text)
        if finding.fix:
            add_row(shown, "", "", line(styled("Fix:", "yellow"), f" {one_line(finding.fix)}"))
    console.print(shown)
