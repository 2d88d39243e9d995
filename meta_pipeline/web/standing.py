"""How the accounts of a visitor stand, for every page that says so."""

from __future__ import annotations

from meta_pipeline.alerts import account_problems, limits_of
from meta_pipeline.reports.status import AccountStatus, read_status

from .gate import Visit


def statuses_of(visit: Visit, account_id: str | None = None) -> list[AccountStatus]:
    """Of all accounts, or of one."""
    settings = visit.site.settings
    with visit.warehouse.connection() as connection:
        # The alerts' own rule of "late": what is red here is what somebody was told of.
        problems = account_problems(connection, limits_of(settings))
    return read_status(
        visit.warehouse,
        leaves_out=settings.leaves_out,
        problems=problems,
        account=account_id,
        counts=False,
    )
