"""Members: who may open this, as what; and who changed what."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.responses import Response

from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.model.subject import as_subject
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import DEFAULT_TENANT, Connection
from meta_pipeline.warehouse.stores.invitations import DAYS, InvitationRefused
from meta_pipeline.warehouse.stores.tenants import MemberRole
from meta_pipeline.web.access.role import Role
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.gate import Done, Visit
from meta_pipeline.web.site import own_address

_EVENTS = 50
_LONGEST = 254
"""Characters of an e-mail address (RFC 5321)."""
_DAYS = (1, 7, DAYS, 30, 90)
"""For how long people may be invited."""


def members(visit: Visit) -> Response:
    """Members and who is invited, of the visitor's tenant; the newest entries of the audit."""
    tenant = visit.visitor.tenant
    return visit.page(
        "members.html",
        title="Members",
        members=visit.warehouse.tenants.members(tenant),
        invitations=visit.warehouse.invitations.of(tenant),
        now=visit.now,
        letter=_letter(visit),
        validities=_DAYS,
        usual_days=DAYS,
        roles=list(Role),
        by_name=visit.site.sign_in is not SignIn.LINK,
        # They are of the house; a client's tenant is not told who.
        named=sorted(visit.site.settings.web_admin_names) if tenant == DEFAULT_TENANT else [],
        events=visit.warehouse.web.events(_EVENTS),
    )


def set_member(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Let somebody in, or change what they may."""
    subject, role = as_subject(str(form.get("subject", ""))), _role(form)
    _check_subject(visit, subject)
    visit.warehouse.tenants.set_member(
        visit.visitor.tenant,
        subject,
        role,
        at=visit.now,
        added_by=visit.visitor.subject,
        connection=connection,
    )
    return Done("member set", f"{subject} as {role}", "/members", f"{subject} is {role} now.")


def invite(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Let somebody become a member by signing in, for so many days."""
    days = str(form.get("days", DAYS))
    subject, role = str(form.get("subject", "")), _role(form)
    if visit.site.sign_in is SignIn.OPENID and "@" not in subject:
        raise ImpossibleQuestion("People sign in by their e-mail address here: invite that.")
    try:
        row = visit.warehouse.invitations.invite(
            visit.visitor.tenant,
            subject,
            role,
            days=int(days) if days.isdecimal() and len(days) <= 4 else 0,
            at=visit.now,
            invited_by=visit.visitor.subject,
            connection=connection,
        )
    except InvitationRefused as error:
        raise ImpossibleQuestion(str(error)) from None
    until = visit.reader.moment(row.ends_at)
    return Done(
        "invited",
        f"{row.subject} as {role}, until {row.ends_at:%Y-%m-%d %H:%M} UTC",
        "/members",
        f"{row.subject} is invited until {until}: signing in makes them a member.",
    )


def revoke_invitation(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Take an invitation back."""
    subject = one_line(as_subject(str(form.get("subject", ""))))[:_LONGEST]
    was = visit.warehouse.invitations.revoke(visit.visitor.tenant, subject, connection)
    said = f"{subject} is invited no more." if was else f"{subject} was not invited."
    return Done("invitation revoked", subject, "/members", said)


def remove_member(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Let somebody in no more; their sessions end with the next page they open."""
    subject = as_subject(str(form.get("subject", "")))
    _check_subject(visit, subject)
    was = visit.warehouse.tenants.remove_member(visit.visitor.tenant, subject, connection)
    said = f"{subject} may not open this any more." if was else f"{subject} was no member."
    return Done("member removed", subject, "/members", said)


def _role(form: FormData) -> MemberRole:
    role = str(form.get("role", ""))
    if role not in list(Role):
        raise ImpossibleQuestion(f"There is no role {role[:40]!r}: {', '.join(Role)}.")
    return cast("MemberRole", role)


def _letter(visit: Visit) -> str:
    """Subject and text of a letter to whoever is invited, as a mailto link has them."""
    base = own_address(visit.request)
    tenant = visit.visitor.tenant
    address = base if tenant == DEFAULT_TENANT else f"{base}/?tenant={tenant}"
    text = f"Sign in at {address} to see our ad accounts."
    return f"subject={quote('You are invited')}&body={quote(text)}"


def _check_subject(visit: Visit, subject: str) -> None:
    if not subject or len(subject) > _LONGEST or not subject.isprintable():
        raise ImpossibleQuestion("A member needs an e-mail address or user name of one line.")
    # Else the last administrator could shut everybody out, and nobody could undo it.
    if subject == visit.visitor.subject:
        raise ImpossibleQuestion(
            "Nobody changes their own role: another administrator does, or META_WEB_ADMINS."
        )
