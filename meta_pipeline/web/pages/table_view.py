"""What an address of the campaigns page asks for, checked; and the address of what is near it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import QueryParams

from meta_pipeline.metrics import Dictionary, PagePosition
from meta_pipeline.metrics.answers.dimension import BREAKDOWNS
from meta_pipeline.metrics.answers.ranking import BUDGETS, BY_COLUMN
from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW, Metric
from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName
from meta_pipeline.web.asked import AskedDays, address, days_of
from meta_pipeline.web.entities import LEVELS, STATUSES

DEFAULT_METRICS = ("spend", "results", "cost_per_result", "impressions", "ctr", "roas")
MOST_METRICS = 20
MOST_OPEN = 50
PATH = "/campaigns"
_LONGEST_PLACE = 1000


@dataclass(frozen=True)
class TableView:
    """One view of the table: all of it is in the address."""

    account: str | None
    """Its id, or a name of it; None for all."""
    level: str
    """What a row is: `campaign`, `adset` or `ad`."""
    campaign: str | None
    """Only what is below this campaign."""
    adset: str | None
    days: AskedDays
    metrics: tuple[Metric, ...]
    sort: str
    """Key of a metric, or the name of a column."""
    descending: bool
    search: str
    status: str
    """A group of Meta's statuses; empty for all."""
    attribution: str
    """Attribution window."""
    breakdown: tuple[str, ...]
    """Dimensions that each row is broken down by."""
    opened: tuple[str, ...]
    """Ids of rows whose children are shown below them."""
    page: int
    after: PagePosition | None = None
    before: PagePosition | None = None
    """Where the page begins, or ends: with neither it is found by its number, which takes longer
    the farther down it is."""
    others: tuple[str, ...] = ()
    """The accounts it is of where not all can be asked for; in no address."""

    @classmethod
    def read(cls, params: QueryParams, dictionary: Dictionary) -> TableView:
        """The view of an address; UnknownName and ImpossibleQuestion say what is wrong in it."""
        # One more than may be, to notice that there were more.
        names = params.getlist("metric")[: MOST_METRICS + 1] or list(DEFAULT_METRICS)
        if len(names) > MOST_METRICS:
            raise ImpossibleQuestion(f"More than {MOST_METRICS} metrics: leave some out.")
        chosen = tuple(dictionary.metric(name) for name in dict.fromkeys(names))
        level = _one_of("level", params.get("level") or "campaign", LEVELS)
        status = params.get("status", "")
        page = params.get("page", "1")
        breakdown = {name.strip() for name in params.get("breakdown", "").split(",")} - {""}
        return cls(
            account=params.get("account") or None,
            level=level,
            campaign=params.get("campaign") or None,
            # Campaigns are in no ad set: their tab, opened from within one, lists them all.
            adset=(params.get("adset") or None) if level != "campaign" else None,
            days=days_of(params),
            metrics=chosen,
            sort=_sort(params.get("sort"), level, chosen, dictionary),
            descending=params.get("order", "desc") != "asc",
            search=params.get("search", "").strip()[:400],
            status=_one_of("status", status, STATUSES) if status else "",
            attribution=params.get("attribution") or DEFAULT_WINDOW,
            breakdown=tuple(_one_of("breakdown", name, BREAKDOWNS) for name in sorted(breakdown)),
            opened=tuple(dict.fromkeys(params.getlist("open")))[:MOST_OPEN],
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 else 1,
            after=_place(params.get("after")),
            before=_place(params.get("before")),
        )

    @property
    def accounts(self) -> str | tuple[str, ...] | None:
        """As the metric layer takes them."""
        return self.account or self.others or None

    @property
    def filters(self) -> dict[str, str | tuple[str, ...]]:
        """As the metric layer takes them."""
        conditions: dict[str, str | tuple[str, ...]] = {}
        if self.campaign:
            conditions["campaign"] = self.campaign
        if self.adset:
            conditions["adset"] = self.adset
        if self.status:
            conditions[f"{self.level}_status"] = STATUSES[self.status]
        # Meta's ids are longer than that; a short number is more likely part of a name.
        if self.search.isascii() and self.search.isdigit() and len(self.search) > 8:
            conditions[self.level] = self.search
        elif self.search:
            conditions[f"{self.level}_name"] = f"*{self.search}*"
        return conditions

    @property
    def params(self) -> dict[str, Any]:
        """As it stands in an address; what is usual is left out."""
        names = tuple(metric.key for metric in self.metrics)
        return {
            "account": self.account,
            "level": self.level if self.level != "campaign" else None,
            "campaign": self.campaign,
            "adset": self.adset,
            **self.days.params,
            "metric": [] if names == DEFAULT_METRICS else list(names),
            "sort": self.sort if self.sort != "spend" else None,
            "order": None if self.descending else "asc",
            "search": self.search,
            "status": self.status,
            "attribution": self.attribution if self.attribution != DEFAULT_WINDOW else None,
            "breakdown": ",".join(self.breakdown),
            "open": list(self.opened),
            "page": self.page if self.page > 1 else None,
            "after": self.after and str(self.after),
            "before": self.before and str(self.before),
        }

    def address(self, path: str = PATH, *, stays: bool = False, **changed: Any) -> str:
        """The address of this view with something changed; it begins on the first page or stays."""
        start = {} if stays else {"page": 1, "after": None, "before": None}
        return address(path, replace(self, **{**start, **changed}).params)

    def sorted_by(self, key: str) -> str:
        """Its heading's link: downwards first, upwards when it is so already."""
        falls = (
            not (self.sort == key and self.descending)
            if self.sort == key
            else key
            not in (
                "name",
                "status",
            )
        )
        return self.address(sort=key, descending=falls, opened=())

    def toggled(self, entity_id: str) -> str:
        """Its row's link: what is below it shown, or shown no more."""
        left = tuple(one for one in self.opened if one != entity_id)
        opened = left if entity_id in self.opened else (*self.opened, entity_id)
        return self.address(stays=True, opened=opened)


def _place(given: str | None) -> PagePosition | None:
    return PagePosition.read(given[:_LONGEST_PLACE]) if given else None


def _one_of(what: str, given: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    if given not in known:
        raise UnknownName(what, given, tuple(known))
    return given


def _sort(given: str | None, level: str, chosen: tuple[Metric, ...], dictionary: Dictionary) -> str:
    if given is None:
        sums = [one.key for one in chosen if dictionary.is_additive(one)]
        return "spend" if "spend" in sums or not sums else sums[0]
    if given in BY_COLUMN or (given in BUDGETS and level != "ad"):
        return given
    return dictionary.metric(given).key
