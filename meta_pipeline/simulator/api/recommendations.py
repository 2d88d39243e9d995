"""Meta's own advice as its edges give it: of an account, of a business, and the score by day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from meta_pipeline.simulator.api import errors, paging
from meta_pipeline.simulator.api.calls import Call
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.state import State
from meta_pipeline.simulator.world import recommendations as advised
from meta_pipeline.simulator.world.days import today

# Of one call to a business, and the days of one call for the history (FACTS section 16).
_MOST_ACCOUNTS = 100
_MOST_DAYS = 45
_DEFAULT_DAYS = 14
_CONTENT = "recommendation_content"


class RecommendationReader:
    """Answers `/act_X/recommendations`, `/{business}/recommendations` and the score's history.

    Shapes, limits and errors: FACTS section 16.
    """

    def __init__(self, state: State) -> None:
        self.state, self.world = state, state.world

    def of_account(self, call: Call) -> dict[str, Any]:
        """One row that holds them all; none where nothing is recommended."""
        found = self._shown(call, str(call.target.account_id), _as_account)
        call.rows += len(found)
        return {"data": [{"recommendations": found}] if found else []}

    def of_business(self, call: Call) -> dict[str, Any]:
        """A row for each owned account that the token may see, its score beside it."""
        request, seen = call.request, call.token.accounts
        owned = call.target.subject.owned
        asked = request.words("ad_account_ids")
        if len(asked) > _MOST_ACCOUNTS:
            raise errors.invalid_parameter(
                f"ad_account_ids may name at most {_MOST_ACCOUNTS} ad accounts",
                blame="ad_account_ids",
            )
        accounts = [
            account.id
            for account in self.world.accounts()
            if account.id in owned
            and (seen is None or account.id in seen)
            and account.id not in call.token.withheld
            and self.world.spec(account.id).permitted
            and (not asked or account.id.removeprefix("act_") in asked)
        ]
        if asked:  # without pages
            return {"data": [self._of_owned(call, one) for one in accounts]}
        if paging.limit_of(request) > _MOST_ACCOUNTS:
            raise errors.invalid_parameter(f"limit may be at most {_MOST_ACCOUNTS}", blame="limit")

        def fetch(at: int, limit: int) -> Sequence[str]:
            return accounts[at : at + limit]

        page = paging.page_of_rows(request, fetch, self.state.uneven)
        return page.body(request, [self._of_owned(call, one) for one in page.rows])

    def history(self, call: Call) -> dict[str, Any]:
        """The score of each day of a range that ends before today, the newest two often absent."""
        request, account_id = call.request, str(call.target.account_id)
        zone = self.world.zones[self.world.ordinal(account_id) or 0]
        current = today(self.world.clock.now(), zone)
        until = _day(request, "to_date") or current
        since = _day(request, "from_date") or until - timedelta(days=_DEFAULT_DAYS)
        reason = request.params.get("get_reason", "false")
        if str(reason).lower() not in ("true", "false", "1", "0"):
            raise _refused("get_reason must be a boolean", 5014024)
        if since > until:
            raise _refused("from_date must not be later than to_date", 5014021)
        if (until - since).days > _MOST_DAYS:
            raise _refused(f"The range may have at most {_MOST_DAYS} days", 5014022)
        if until >= current:
            raise _refused("to_date must be before today: data comes a day late", 5014023)
        rows: list[dict[str, Any]] = []
        for back in range((until - since).days, -1, -1):
            day = until - timedelta(days=back)
            if day > current - timedelta(days=2):  # two days late
                continue
            score = advised.score_on(self.world, account_id, day)
            row: dict[str, Any] = {"date": day.isoformat(), "opportunity_score": str(score)}
            if str(reason).lower() in ("true", "1"):
                row["changelog"] = advised.changelog(self.world, account_id, day)
            rows.append(row)
        call.rows += len(rows)
        return {"data": rows}

    def _of_owned(self, call: Call, account_id: str) -> dict[str, Any]:
        found = self._shown(call, account_id, _as_business)
        call.rows += 1
        zone = self.world.zones[self.world.ordinal(account_id) or 0]
        current = today(self.world.clock.now(), zone)
        return {
            "ad_account_id": account_id.removeprefix("act_"),
            "opportunity_score": advised.score_on(self.world, account_id, current),
            "recommendations": found,
        }

    def _shown(
        self, call: Call, account_id: str, shaped: Callable[[Mapping[str, Any]], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The account's recommendations that are asked for; content only when it is."""
        request = call.request
        names = {one.upper() for one in request.words("recommendation_names")}
        stages = set(request.words("recommendation_stages"))
        has_content = any(one.name == _CONTENT for one in request.fields())
        return [
            shaped(one if has_content else {**one, _CONTENT: None})
            for one in advised.recommendations(self.world, account_id)
            if (not names or one["type"] in names)
            and (not stages or one["recommendation_stage"] in stages)
        ]


def _as_account(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != "level" and value is not None}


def _as_business(one: Mapping[str, Any]) -> dict[str, Any]:
    """Names in small letters, the level, and the lift beside the content, as documented."""
    shown = {key: value for key, value in one.items() if key != "type" and value is not None}
    shown["recommendation_name"] = one["type"].lower()
    if content := shown.get(_CONTENT):
        shown[_CONTENT] = dict(content)
        shown["opportunity_score_lift"] = shown[_CONTENT].pop("opportunity_score_lift")
    return shown


def _day(request: GraphRequest, name: str) -> date | None:
    text = request.text(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _refused(f"{name} must be YYYY-MM-DD", 5014020) from None


def _refused(message: str, subcode: int) -> errors.GraphError:
    return errors.GraphError(f"(#100) {message}", code=100, subcode=subcode)
