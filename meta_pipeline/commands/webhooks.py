"""`meta-pipeline webhooks`: letting Meta tell us of changes, and what it told."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.printable import one_line
from meta_pipeline.words import times

from .selection import EveryAccount, stored
from .terminal.console import fail, say, styled, warn, write_json
from .terminal.options import Accounts, AsJson

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings
    from meta_pipeline.sync import SyncEngine

app = typer.Typer(add_completion=False, name="webhooks", no_args_is_help=True)

FIELDS = (
    "with_issues_ad_objects",
    "in_process_ad_objects",
    "effective_status",
    "subscriptions",
    "creative_fatigue",
    "ad_recommendations",
)
"""What is subscribed to: all that names objects we keep."""


@dataclass(frozen=True, slots=True)
class _Needed:
    """What subscribing takes of the settings."""

    app_id: str
    url: str
    verify_token: str

    @classmethod
    def of(cls, settings: "Settings", url: str | None) -> "_Needed":
        """Of these settings, `url` before META_WEB_URL; ends the command where one is missing."""
        base = (url or settings.web_url or "").rstrip("/")
        token, secret = settings.webhook_verify_token, settings.app_secret
        if not base:
            fail("Where does Meta reach the web application? Set META_WEB_URL, or give --url.")
        if settings.app_id is None or secret is None or token is None:
            fail(
                "Subscribing takes META_APP_ID, META_APP_SECRET and META_WEBHOOK_VERIFY_TOKEN, a "
                "text of your own of 16 characters or more: set them, and start meta-pipeline web "
                "again."
            )
        return cls(settings.app_id, f"{base}/webhooks/meta", token.get_secret_value())


@app.callback()
def about() -> None:
    """Let Meta tell what changes, and see what it told."""


@app.command()
def subscribe(
    account: Accounts = None,
    every: EveryAccount = False,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Address of the web application; META_WEB_URL without."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe the app at Meta to changes of ad accounts, and connect accounts to it.

    Meta asks the address at once, so the web application has to run there. Takes META_APP_ID,
    META_APP_SECRET, META_WEBHOOK_VERIFY_TOKEN, and a token with ads_management. Exit code 1 when
    an account could not be connected.
    """
    from meta_pipeline.graph import GraphError

    from .sync.wanted import opened_engine

    if bool(account) == every:
        raise typer.BadParameter("name ad accounts with --account, or give --all, not both")
    with opened_engine(migrates=False) as (settings, engine):
        needed = _Needed.of(settings, url)
        client = engine.graph()
        try:
            # The app first: Meta calls the address meanwhile, and an account that is connected to
            # nothing tells nothing.
            client.subscribe_app(
                needed.app_id,
                callback_url=needed.url,
                fields=FIELDS,
                verify_token=needed.verify_token,
            )
        except GraphError as error:
            fail(f"Meta does not deliver to {needed.url}: {error}")
        problems: dict[str, str] = {}
        chosen = [one.account_id for one in stored(engine.warehouse, account)]
        # One by one: an account whose token lacks ads_management must not keep the others out.
        for account_id in chosen:
            try:
                engine.graph(account_id).subscribe_account(account_id)
            except GraphError as error:
                problems[account_id] = str(error)
    connected = [one for one in chosen if one not in problems]
    if as_json:
        facts = {"url": needed.url, "fields": FIELDS, "connected": connected, "problems": problems}
        write_json(facts)
    else:
        say(f"App {needed.app_id} is told of {', '.join(FIELDS)} at {needed.url}.")
        say(f"{len(connected)} of {len(chosen)} ad accounts are connected to it.")
        for account_id, why in problems.items():
            warn(f"{account_id}: {why}")
    if problems:
        raise typer.Exit(1)


@app.command()
def status(
    account: Accounts = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask Meta too what is subscribed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what Meta told and what waits; with --ask also what is subscribed at Meta."""
    from .database import opened_warehouse

    with opened_warehouse() as (_, warehouse):
        counts = warehouse.webhooks.counts()
        waiting = warehouse.webhooks.waiting()
    facts: dict[str, Any] = {
        "deliveries_waiting": None
        if waiting is None
        else dict(zip(("deliveries", "oldest", "newest"), waiting, strict=True)),
        "changes": {
            state: {"changes": count, "oldest": oldest, "newest": newest}
            for state, (count, oldest, newest) in counts.items()
        },
    }
    if ask:
        facts |= _asked(account)
    if as_json:
        write_json(facts)
        return
    _show(facts)


def _asked(account: list[str] | None) -> dict[str, Any]:
    from meta_pipeline.graph import GraphError

    from .sync.wanted import opened_engine

    with opened_engine(migrates=False) as (settings, engine):
        if settings.app_id is None or settings.app_secret is None:
            fail("META_APP_ID and META_APP_SECRET say whose subscription is asked about: set both.")
        try:
            subscription = engine.graph().app_subscription(settings.app_id)
            connected = {
                one.account_id: _is_connected(engine, one.account_id, settings.app_id)
                for one in stored(engine.warehouse, account)
            }
        except GraphError as error:
            fail(f"Meta does not say: {error}")
    return {
        "subscription": None
        if subscription is None
        else {
            "url": subscription.callback_url,
            "fields": subscription.fields,
            "is_active": subscription.is_active,
        },
        "accounts": connected,
    }


def _is_connected(engine: "SyncEngine", account_id: str, app_id: str) -> bool | str:
    from meta_pipeline.graph import PermissionDenied

    try:
        return app_id in engine.graph(account_id).subscribed_apps(account_id)
    except PermissionDenied as error:
        return str(error)


def _show(facts: dict[str, Any]) -> None:
    waiting = facts["deliveries_waiting"]
    if not facts["changes"] and not waiting:
        say("Meta has told nothing yet.")
    if waiting:
        say(
            f"Not taken apart yet: {times(waiting['deliveries'], 'post')} of Meta's, the oldest "
            f"from {waiting['oldest']:%Y-%m-%d %H:%M} UTC. The sensor sync_requests does it within "
            "seconds where Dagster runs."
        )
    for state, one in facts["changes"].items():
        say(
            f"{times(one['changes'], 'change')} {state}, from {one['oldest']:%Y-%m-%d %H:%M} to "
            f"{one['newest']:%Y-%m-%d %H:%M} UTC"
        )
    if "accounts" not in facts:
        return
    subscription = facts["subscription"]
    if subscription is None:
        say(
            styled("✗", "red"), " The app is not subscribed: meta-pipeline webhooks subscribe --all"
        )
    else:
        say(
            f"The app is told of {', '.join(subscription['fields'])} at "
            f"{one_line(subscription['url'])}."
        )
    for account_id, connected in facts["accounts"].items():
        mark = styled("✓", "green") if connected is True else styled("✗", "red")
        why = f": {one_line(connected)}" if isinstance(connected, str) else ""
        say(mark, f" {account_id}{why}")
