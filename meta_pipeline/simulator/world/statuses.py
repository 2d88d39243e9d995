"""Statuses: what an advertiser set, and what comes of it (FACTS §4.5)."""

from __future__ import annotations

STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "DELETED")
ACTIVE, PAUSED, ARCHIVED, DELETED = range(4)

# What Meta's review and machinery lay over a thing that its owner switched on.
REVIEWS = (
    "",
    "WITH_ISSUES",
    "IN_PROCESS",
    "PENDING_REVIEW",
    "DISAPPROVED",
    "PREAPPROVED",
    "PENDING_BILLING_INFO",
)
CLEAR, WITH_ISSUES, IN_PROCESS, PENDING_REVIEW, DISAPPROVED, PREAPPROVED, PENDING_BILLING = range(7)

EFFECTIVE_BY_KIND = {
    "campaigns": ("ACTIVE", "PAUSED", "DELETED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES"),
    "adsets": (
        "ACTIVE", "PAUSED", "DELETED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES", "CAMPAIGN_PAUSED",
    ),
    "ads": (
        "ACTIVE", "PAUSED", "DELETED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED",
        "PENDING_BILLING_INFO", "CAMPAIGN_PAUSED", "ARCHIVED", "ADSET_PAUSED", "IN_PROCESS",
        "WITH_ISSUES",
    ),
}  # fmt: skip

# An edge leaves them out unless its filter names a status (FACTS section 4.5).
HIDDEN_BY_DEFAULT = frozenset({"ARCHIVED", "DELETED"})


def effective(status: int, review: int, *parents: int) -> str:
    """effective_status from one's own status and review and the parents', nearest parent first.

    Deletion and archiving anywhere above win, then one's own pause, then the campaign's,
    then the ad set's; `status` itself stays what its owner set.
    """
    # Their numbers rise with how final they are.
    worst = max(status, *parents) if parents else status
    if worst >= ARCHIVED:
        return STATUSES[worst]
    # One's own switch is named before those above it.
    if status == PAUSED:
        return "PAUSED"
    if parents and parents[-1] == PAUSED:
        return "CAMPAIGN_PAUSED"
    if parents and parents[0] == PAUSED:
        return "ADSET_PAUSED"
    return REVIEWS[review] or "ACTIVE"
