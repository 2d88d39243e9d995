"""Who a request is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import compare_digest

from starlette.requests import HTTPConnection

from meta_pipeline.model.subject import as_subject
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import DEFAULT_TENANT
from meta_pipeline.warehouse.stores.tenants import Membership
from meta_pipeline.web.site import Site, site_of

from .hosts import is_among
from .role import Role
from .sessions import person_of
from .sign_in import SignIn

OWNER = "owner"
"""Who came by a one-time link: whoever can read the files of the user that runs this."""


TENANT = "tenant"
"""What names a tenant: in the session the one that is open, in an address the one to open, in a
form the one it was shown for."""


class NotAMember(Exception):
    """Somebody is known, but nobody has let them in; says whom to ask."""


class TenantUnchosen(Exception):
    """A member of several tenants has opened none of them yet: they say which they mean."""

    def __init__(self, memberships: tuple[Membership, ...]) -> None:
        super().__init__("You are a member of several tenants: open one of them.")
        self.memberships = memberships


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person that is let in, and into which tenants; the rows of one of them are shown."""

    subject: str
    name: str
    memberships: tuple[Membership, ...]
    opened: Membership
    is_one_of_several: bool
    """Whether there are tenants to tell apart, whoever is a member of them."""

    @property
    def tenant(self) -> str:
        """Whose rows they see now."""
        return self.opened.tenant

    @property
    def role(self) -> Role:
        """What they may do in that tenant."""
        return Role(self.opened.role)

    def may_open(self, tenant: str) -> bool:
        return any(one.tenant == tenant for one in self.memberships)


def visitor_of(connection: HTTPConnection, tenant: str | None = None) -> Visitor | None:
    """Who the request is from; None before anybody signed in. NotAMember for a stranger.

    They see `tenant`, or the one their session has open, or their only one, or the house they are
    an administrator of. TenantUnchosen for a member of several else.
    """
    site = site_of(connection)
    who = _subject_of(connection, site)
    if who is None:
        return None
    subject, name = who
    names = site.warehouse.tenants.names()
    memberships = tuple(_memberships(site, subject, names))
    opened = _opened(connection, subject, memberships, tenant)
    return Visitor(subject, one_line(name), memberships, opened, len(names) > 1)


def _opened(
    connection: HTTPConnection,
    subject: str,
    memberships: tuple[Membership, ...],
    tenant: str | None,
) -> Membership:
    if not memberships:
        raise NotAMember(
            f"You are signed in as {one_line(subject)}, who is not a member here. Ask an "
            "administrator to add exactly this name under Members, or in META_WEB_ADMINS."
        )
    wanted = tenant or connection.session.get(TENANT)
    found = next((one for one in memberships if one.tenant == wanted), None)
    # Others let people in, unasked: where one membership is as good as another none is opened.
    if found is None and tenant is None and len(memberships) > 1 and memberships[0].added_at:
        raise TenantUnchosen(memberships)
    return found or memberships[0]


def client_address(connection: HTTPConnection) -> str:
    """The address a request came from; behind a trusted proxy the one it names last."""
    site = site_of(connection)
    peer = connection.client.host if connection.client else ""
    # Some proxies write on into the visitor's line, some add a line of their own (HAProxy): they
    # are one list, whose last is what our own proxy saw; those before it the visitor may have said.
    forwarded = ",".join(connection.headers.getlist("x-forwarded-for"))
    if _is_proxy(connection, site):
        return forwarded.rsplit(",", 1)[-1].strip() or peer
    return peer


def _is_proxy(connection: HTTPConnection, site: Site) -> bool:
    """Whether our reverse proxy sends it: by its address and, where it has one, by its secret."""
    peer = connection.client.host if connection.client else ""
    if not is_among(peer, site.settings.web_proxies):
        return False
    secret = site.settings.web_proxy_secret
    if secret is None:
        return True
    sent = connection.headers.getlist("x-proxy-secret")
    # A header's bytes are Latin-1 here, whatever they were.
    return len(sent) == 1 and compare_digest(
        sent[0].encode("latin-1"), secret.get_secret_value().encode()
    )


def _subject_of(connection: HTTPConnection, site: Site) -> tuple[str, str] | None:
    """Who it is and how they are called, as the site's sign-in says."""
    if site.sign_in is SignIn.PROXY:
        names = connection.headers.getlist(str(site.settings.web_proxy_header))
        # Anybody else could write the header; of two one may be the visitor's own, passed on.
        if not _is_proxy(connection, site) or len(names) != 1:
            return None
        named = as_subject(names[0])
        return (named, named) if named else None
    return person_of(connection, site)


def _memberships(site: Site, subject: str, names: Mapping[str, str]) -> list[Membership]:
    """What they may open of the tenants with these names, an administrator's house first.

    Whoever can read the files of this machine can read every table: no tenant is closed to them.
    An administrator named in the settings is one of the house; a client's tenant takes a
    membership, for them as for all.
    """
    if site.sign_in is SignIn.LINK:
        return [Membership(tenant, name, "admin") for tenant, name in names.items()]
    # At each visit: an invitation may have been written since they signed in.
    site.warehouse.invitations.accept(subject, site.now())
    memberships = site.warehouse.tenants.memberships(subject)
    if subject not in site.settings.web_admin_names:
        return memberships
    house = Membership(DEFAULT_TENANT, names[DEFAULT_TENANT], "admin")
    return [house, *(one for one in memberships if one.tenant != DEFAULT_TENANT)]
