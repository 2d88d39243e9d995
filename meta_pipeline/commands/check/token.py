"""What `meta-pipeline check` finds of META_ACCESS_TOKEN: whose it is, what it may, how long."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from meta_pipeline import quality
from meta_pipeline.graph import DeadlineExceeded, GraphClient, GraphError, TokenInfo
from meta_pipeline.settings import Settings, SettingsError

from .asked import ENVIRONMENT, AskedConnection
from .finding import CheckFinding, failed

# All that reading takes; ads_management could change things, too.
_SCOPE = "ads_read"
_WARN_BEFORE = timedelta(days=14)
"""So early that somebody who is on holiday is back before the token ends."""


def without_token(settings: Settings, connections: Sequence[AskedConnection]) -> CheckFinding:
    """What it means that META_ACCESS_TOKEN is not set."""
    if connections:
        text = "not set: accounts are read over the stored connections"
        return CheckFinding("Token", ENVIRONMENT, ok=True, text=text)
    try:
        settings.require_token()
    except SettingsError as error:
        fix = str(error)
    return CheckFinding("Token", ENVIRONMENT, ok=False, text="not set", fix=fix)


def token_findings(client: GraphClient, settings: Settings) -> Iterator[CheckFinding]:
    try:
        me = client.me()
    except GraphError as error:
        yield failed("Token", "META_ACCESS_TOKEN", error)
        return
    name = str(me.get("name") or me.get("id"))
    try:
        # A token may not look at itself: Meta wants the app's own id and secret for that.
        info = client.debug_token(app_id=settings.app_id)
    except DeadlineExceeded as error:
        yield failed("Scopes", name, error)
        return
    except GraphError:
        hint = "scopes and expiry not known: set META_APP_ID and META_APP_SECRET to see them"
        yield CheckFinding("Token", name, ok=True, text=f"valid; {hint}")
        return
    yield _validity(name, info)
    may_read = not quality.missing_scopes(info.scopes)
    fix = f"Make a token with the scope {_SCOPE} and put it in META_ACCESS_TOKEN."
    scopes = ", ".join(info.scopes) or "none"
    yield CheckFinding("Scopes", name, ok=may_read, text=scopes, fix=None if may_read else fix)


def _validity(name: str, info: TokenInfo) -> CheckFinding:
    left = info.remaining(datetime.now(UTC))
    renew = "Make a new token and put it in META_ACCESS_TOKEN; docs/tokens.md shows how."
    if not info.is_valid:
        reason = info.error.message if info.error else "not valid"
        return CheckFinding("Token", name, ok=False, text=reason, fix=renew)
    if left is None:
        return CheckFinding("Token", name, ok=True, text=f"{info.type or 'token'}, no end named")
    text = f"{info.type or 'token'}, expires in {left.days} days"
    soon = left < _WARN_BEFORE
    return CheckFinding("Token", name, ok=not soon, text=text, fix=renew if soon else None)
