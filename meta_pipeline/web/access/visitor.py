"""Who a request is from."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import DEFAULT_TENANT
from meta_pipeline.web.site import Site, site_of

from .hosts import is_among
from .role import Role
from .ways import Way

OWNER = "owner"
"""Who came by a one-time link: whoever can read the files of the user that runs this."""


class NotAMember(Exception):
    """Somebody is known, but nobody has let them in; says whom to ask."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person that is let in; `tenant` is the one whose rows they see."""

    subject: str
    name: str
    role: Role
    tenant: str = DEFAULT_TENANT


def visitor_of(connection: HTTPConnection) -> Visitor | None:
    """Who the request is from; None before anybody signed in. NotAMember for a stranger."""
    site = site_of(connection)
    if site.way is Way.PROXY:
        subject = _told_by_proxy(connection, site)
        return _member(connection, site, subject, subject) if subject else None
    subject = connection.session.get("subject")
    if subject is None:
        return None
    if site.way is Way.LINK:
        return Visitor(OWNER, "you", Role.ADMIN) if subject == OWNER else None
    return _member(connection, site, subject, connection.session.get("name", subject))


def client_address(connection: HTTPConnection) -> str:
    """The address a request came from; behind a trusted proxy the one it names last."""
    site = site_of(connection)
    peer = connection.client.host if connection.client else ""
    forwarded = connection.headers.get("x-forwarded-for", "")
    if forwarded and is_among(peer, site.settings.web_proxies):
        return forwarded.rsplit(",", 1)[-1].strip()
    return peer


def _told_by_proxy(connection: HTTPConnection, site: Site) -> str | None:
    peer = connection.client.host if connection.client else ""
    if not is_among(peer, site.settings.web_proxies):
        return None
    found = connection.headers.getlist(str(site.settings.web_proxy_header))
    # Two of them: one may be the visitor's own, passed on.
    return found[0].strip().casefold() or None if len(found) == 1 else None


def _member(connection: HTTPConnection, site: Site, subject: str, name: str) -> Visitor:
    shown = one_line(name)
    if subject in site.settings.web_admin_names:
        return Visitor(subject, shown, Role.ADMIN)
    found = site.warehouse.tenants.memberships(subject)
    if not found:
        raise NotAMember(
            f"You are signed in as {one_line(subject)}, who is not a member here. Ask an "
            "administrator to add exactly this name under Members, or in META_WEB_ADMINS."
        )
    wanted = connection.session.get("tenant")
    of = next((one for one in found if one.tenant == wanted), found[0])
    return Visitor(subject, shown, Role(of.role), of.tenant)
