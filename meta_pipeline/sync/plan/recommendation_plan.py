"""What a sync reads of Meta's own advice, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class RecommendationPlan:
    """The list of recommendations with the score of the day, and the score's history.

    `business_id` is asked first where it is known: one call brings up to 100 ad accounts and their
    scores (FACTS section 16). Days are in the account's zone, None where the history is fresh.
    """

    is_list_due: bool
    business_id: str | None = None
    history_since: date | None = None
    history_until: date | None = None

    @property
    def calls(self) -> int:
        """A call for the list, one more for the score where no business tells it, one for days."""
        listed = (1 if self.business_id else 2) if self.is_list_due else 0
        return listed + (self.history_since is not None)
