"""What `meta-pipeline check` finds at Meta: connections, the accounts they list, the version."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from meta_pipeline.commands.terminal.console import errors, say, styled
from meta_pipeline.embedded import EmbeddedPostgresError
from meta_pipeline.graph import (
    DeadlineExceeded,
    GraphClient,
    GraphError,
    Reauthorize,
    version_state,
)
from meta_pipeline.reports.status import read_status
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse, WarehouseError
from meta_pipeline.warehouse.connect import READER

from .accounts import AccountProbe, Budget
from .asked import AskedConnection, opened_connections
from .finding import CheckFinding, failed
from .host import not_metas
from .settings import settings_asked
from .time_limit import TimeLimit
from .token import token_findings, without_token

_PASTE = "meta-pipeline connections add --paste"
_LEFT_OUT = "not asked: META_INCLUDE_ACCOUNTS or META_EXCLUDE_ACCOUNTS leave them out of syncs"


@dataclass(frozen=True)
class Asked:
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

    def budget(self, settings: Settings, limit: TimeLimit) -> Budget:
        stop = settings.app_usage_stop_pct
        return Budget(self.calls, limit.seconds, stop, used_seconds=limit.used)


def blocked(its_url: AbstractContextManager[str]) -> Mapping[str, str]:
    """Accounts that Meta blocks now, as far as the tables know; what is wrong with them is told
    later.
    """
    try:
        with its_url as url, Warehouse(url, max_connections=1, patience=READER) as warehouse:
            if warehouse.pending():
                return {}
            known = read_status(warehouse, counts=False)
            return {one.account_id: one.waiting for one in known if one.waiting}
    except (WarehouseError, EmbeddedPostgresError, psycopg.Error):
        return {}


def meta_findings(
    settings: Settings,
    its_url: AbstractContextManager[str],
    asked: Asked,
    stored: Sequence[CheckFinding],
) -> Iterator[CheckFinding]:
    """Every connection is asked: META_ACCESS_TOKEN where it is set, and the stored connections."""
    yield from stored
    notices: list[str | None] = []
    with opened_connections(
        its_url, settings, lambda attempt: notices.append(attempt.version_notice)
    ) as (
        connections,
        problems,
    ):
        yield from problems
        if settings.access_token is None:
            yield without_token(settings, connections)
        if not connections:
            return
        version = connections[0].client.version
        host = f"{connections[0].client.base_url}/{version}"
        if settings.is_simulated:
            yield not_metas(settings.graph_url, host)
        limit = TimeLimit(asked.within.total_seconds())
        if connections[0].is_environment:
            yield from token_findings(connections[0].client.within(limit.left), settings)
        yield from _accounts(connections, settings, asked, host, limit)
        yield from _version(version, notices)


def _version(version: str, notices: list[str | None]) -> Iterator[CheckFinding]:
    """How long the version in use lives, and what Meta's answers said of it just now."""
    state = version_state(version, datetime.now(UTC).date())
    yield CheckFinding("API version", version, ok=state.ok, text=state.text, fix=state.fix)
    for notice in dict.fromkeys(filter(None, notices)):
        fix = (
            "Set META_API_VERSION to a version that is still supported; docs/tokens.md lists them."
        )
        yield CheckFinding("API version", version, ok=False, text=notice, fix=fix)


def _accounts(
    connections: Sequence[AskedConnection],
    settings: Settings,
    asked: Asked,
    host: str,
    limit: TimeLimit,
) -> Iterator[CheckFinding]:
    """Each account once, over the first connection that lists it; then the settings, over one."""
    listed: list[tuple[AskedConnection, list[dict[str, Any]]]] = []
    problems: list[CheckFinding] = []
    reached: dict[str, dict[str, Any]] = {}
    for connection in connections:
        try:
            # An account that two connections reach is read over the better one, which comes first.
            rows = [one for one in connection.accounts(limit) if one["id"] not in reached]
        except GraphError as error:
            problems.append(_no_list(connection, host, error))
            continue
        reached |= {one["id"]: one for one in rows}
        listed.append((connection, rows))
    yield from problems
    if not reached and listed:
        fix = "Give the token's user a role on an ad account in Meta's business settings."
        yield CheckFinding("Accounts", "none", ok=False, text="the token sees no account", fix=fix)
    if asked.accounts:
        yield from _unseen(asked.accounts, [*reached.values()])
    elif not problems:
        # What a connection that gave no list sees is not known.
        yield from _never_seen(settings, [*reached.values()])
    if not asked.accounts and (left := sum(settings.leaves_out(one) for one in reached)):
        yield CheckFinding("Accounts", f"{left:,} of {len(reached):,}", ok=True, text=_LEFT_OUT)
    budget, readable = asked.budget(settings, limit), None
    for connection, rows in listed:
        wanted = [
            one
            for one in rows
            if (asked.names(one) if asked.accounts else not settings.leaves_out(one["id"]))
        ]
        reader = AccountProbe(
            # What was begun in time gets as long again.
            connection.client.within(limit.left_in_all),
            budget,
            asked.blocked,
            lambda told: say(styled(told, "dim"), to=errors),
        )
        for finding in reader.findings(wanted):
            yield finding
            is_read = finding.ok and finding.what == "Account" and readable is None
            # Findings of blocked accounts are well, too, but nobody has read those.
            is_read = is_read and finding.subject.partition(" ")[0] not in asked.blocked
            readable = (connection, finding.subject.partition(" ")[0]) if is_read else readable
        # One budget for all connections: whose token a call is made with does not make it cheaper.
        budget = budget.without(reader.asked, reader.seconds)
    if readable:
        yield from _settings(readable[0].client, settings, readable[1], limit)


def _settings(
    client: GraphClient, settings: Settings, account_id: str, limit: TimeLimit
) -> Iterator[CheckFinding]:
    if not limit.left_in_all:
        yield failed("Insights", "settings", limit.over())
        return
    client = client.within(limit.left_in_all)
    for setting, value, refusal, todo in settings_asked(client, settings, account_id):
        text = refusal.message if refusal else f"{value}: Meta takes it"
        is_known = not isinstance(refusal, DeadlineExceeded)
        ok = refusal is None
        yield CheckFinding("Insights", setting, ok=ok, text=text, fix=todo, is_known=is_known)


def _no_list(connection: AskedConnection, host: str, error: GraphError) -> CheckFinding:
    if connection.is_environment:
        return failed("Accounts", host, error)
    finding = failed("Connection", connection.label, error)
    is_dead = isinstance(error, Reauthorize)
    return replace(finding, fix=f"Connect it again, or: {_PASTE}") if is_dead else finding


def _never_seen(settings: Settings, reached: Sequence[Mapping[str, Any]]) -> Iterator[CheckFinding]:
    """The accounts that are to be synced alone, and that the token does not see."""
    for name in sorted(settings.included - {one["id"] for one in reached}):
        text = f"META_INCLUDE_ACCOUNTS names it; the token sees {len(reached):,} others"
        fix = "Give the token's user a role on it, or take it out of META_INCLUDE_ACCOUNTS."
        yield CheckFinding("Account", name, ok=False, text=text, fix=fix)


def _unseen(names: Sequence[str], reached: Sequence[Mapping[str, Any]]) -> Iterator[CheckFinding]:
    """The accounts asked for that the token does not see."""
    known = {str(word).casefold() for one in reached for word in (one["id"], one.get("name"))}
    for name in names:
        if not {name.casefold(), f"act_{name}"} & known:
            text = f"the token sees no such account among its {len(reached):,}"
            fix = "meta-pipeline check lists what it sees; give the token's user a role on it."
            yield CheckFinding("Account", name, ok=False, text=text, fix=fix)
