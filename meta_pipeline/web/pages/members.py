"""Members: who may open this, as what; and who changed what."""

from __future__ import annotations

from typing import cast

from starlette.datastructures import FormData
from starlette.responses import Response

from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.warehouse import Connection
from meta_pipeline.warehouse.stores.tenants import MemberRole
from meta_pipeline.web.access.role import Role
from meta_pipeline.web.access.ways import Way
from meta_pipeline.web.gate import Done, Visit

_EVENTS = 50
_LONGEST = 254
"""Characters of an e-mail address (RFC 5321)."""


def members(visit: Visit) -> Response:
    """The members of the visitor's tenant and the newest entries of the audit."""
    return visit.page(
        "members.html",
        title="Members",
        members=visit.warehouse.tenants.members(visit.visitor.tenant),
        roles=list(Role),
        by_name=visit.site.way is not Way.LINK,
        named=sorted(visit.site.settings.web_admin_names),
        events=visit.warehouse.web.events(_EVENTS),
    )


def set_member(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Let somebody in, or change what they may."""
    subject, role = str(form.get("subject", "")).strip().casefold(), str(form.get("role", ""))
    if role not in list(Role):
        raise ImpossibleQuestion(f"There is no role {role[:40]!r}: {', '.join(Role)}.")
    _check_subject(visit, subject)
    visit.warehouse.tenants.set_member(
        visit.visitor.tenant,
        subject,
        cast("MemberRole", role),
        at=visit.now,
        added_by=visit.visitor.subject,
        connection=connection,
    )
    return Done("member set", f"{subject} as {role}", "/members", f"{subject} is {role} now.")


def remove_member(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Let somebody in no more; their sessions end with the next page they open."""
    subject = str(form.get("subject", "")).strip().casefold()
    _check_subject(visit, subject)
    was = visit.warehouse.tenants.remove_member(visit.visitor.tenant, subject, connection)
    said = f"{subject} may not open this any more." if was else f"{subject} was no member."
    return Done("member removed", subject, "/members", said)


def _check_subject(visit: Visit, subject: str) -> None:
    if not subject or len(subject) > _LONGEST or not subject.isprintable():
        raise ImpossibleQuestion("A member needs an e-mail address or user name of one line.")
    if subject == visit.visitor.subject:
        raise ImpossibleQuestion(
            "Nobody changes their own role: another administrator does, or META_WEB_ADMINS."
        )
