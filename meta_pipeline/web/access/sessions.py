"""Sessions: what the cookie of a browser says of who signed in, and until when it is believed."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from starlette.requests import HTTPConnection

from meta_pipeline.web.site import Site

from .sign_in import SignIn

LONGEST = timedelta(days=30)
"""From signing in, however often somebody looks in: then the provider is asked again."""


def key_of(site: Site) -> str:
    """What sessions are signed with: another one where other people say who comes.

    Names of one provider may be other people's at the next.
    """
    vouches = site.settings.web_oidc_issuer if site.sign_in is SignIn.OPENID else ""
    return site.secret.of(f"session {site.sign_in} {vouches}")


def begin(connection: HTTPConnection, site: Site, subject: str, name: str) -> None:
    """Somebody signed in: a session from before, and whoever may have planted it, ends here."""
    connection.session.clear()
    connection.session.update(
        {
            "subject": subject,
            "name": name,
            "id": secrets.token_hex(16),
            "since": int(site.now().timestamp()),
        }
    )


def person_of(connection: HTTPConnection, site: Site) -> tuple[str, str] | None:
    """Who signed in and how they are called; None where nobody did, or the session is over."""
    session = connection.session
    subject, since = session.get("subject"), session.get("since")
    if subject is None or since is None:
        return None
    if site.now().timestamp() - since >= LONGEST.total_seconds():
        return None
    if site.warehouse.web.is_signed_out(_hash(session["id"])):
        return None
    return subject, session.get("name", subject)


def end(connection: HTTPConnection, site: Site) -> None:
    """End the session, wherever else somebody has its cookie."""
    if own := connection.session.get("id"):
        site.warehouse.web.sign_out(_hash(own), site.now(), forget_after=LONGEST)
    connection.session.clear()


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
