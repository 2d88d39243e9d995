"""The login dialog: where a person is sent, and where Meta may lead back to (FACTS §9)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from meta_pipeline.connections.errors import LoginRefused
from meta_pipeline.credentials import META_HOST

_DIALOG_HOST = "https://www.facebook.com"


def checked_redirect(redirect_uri: str) -> str:
    """The address as it is, if Meta can lead back to it; LoginRefused says what it has to be.

    That is https, or plain http to `localhost`, which Meta allows to apps in development mode only.
    """
    try:
        parts = urlsplit(redirect_uri)
        host = parts.hostname or ""
        is_whole = bool(host) and (parts.port or 1) > 0 and redirect_uri.isprintable()
    except ValueError:
        is_whole, host = False, ""
    if not is_whole or " " in redirect_uri or parts.scheme not in {"http", "https"}:
        raise LoginRefused(
            f"{redirect_uri!r} is not an address Meta can lead back to: write https://…"
        )
    if parts.fragment or "@" in parts.netloc:
        raise LoginRefused(
            f"{redirect_uri!r} has a user or a fragment, which Meta does not lead back to: leave "
            "it out."
        )
    if parts.scheme == "http" and host != "localhost":
        also = " (127.0.0.1 is not localhost to Meta)" if host.startswith(("127.", "::1")) else ""
        raise LoginRefused(
            f"Meta does not lead back to {redirect_uri}{also}: it has to be https, or "
            "http://localhost while the app is in development mode."
        )
    return redirect_uri


def dialog_url(
    *,
    graph_url: str,
    version: str,
    app_id: str,
    redirect_uri: str,
    state: str,
    scopes: Sequence[str],
    config_id: str | None = None,
    asks_again: bool = False,
) -> str:
    """The address of the dialog; with `config_id` it is Login for Business, which takes no scopes.

    `asks_again` has Meta ask for what was declined before. A Graph API that is not Meta's has its
    dialog at `graph_url`.
    """
    asked = {
        "client_id": app_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "response_type": "code",
    }
    if config_id:
        # A business integration's token comes for a code alone (FACTS §9).
        asked |= {"config_id": config_id, "override_default_response_type": "true"}
    else:
        asked["scope"] = ",".join(scopes)
        if asks_again:
            asked["auth_type"] = "rerequest"
    host = _DIALOG_HOST if urlsplit(graph_url).hostname == META_HOST else graph_url.rstrip("/")
    return f"{host}/{version}/dialog/oauth?{urlencode(asked)}"
