"""What programs may ask, each as one call that answers with rows and where they come from.

The same functions stand behind the MCP server, whatever carries it. All refuse in the answer, with
`outcome`; none changes anything, none takes SQL, none asks Meta.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.metrics import MetricsError, UnknownName
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.silence import QUESTION_SECONDS, over_in

from .advice import advice_given, recommended_by_meta
from .answer import MAX_ROWS, Answer, Outcome, Provenance
from .ask import ask, describe
from .change import explain_change
from .cursor import cut
from .days import FIRST_DAY, Range, before, function_of
from .entities import timeline
from .errors import CannotRead, CopilotError
from .health import data_health
from .numbers import Wanted, compared, numbers
from .reading import Ranking

_DEFAULT_RANGE = "last_7d"


@dataclass(frozen=True, slots=True)
class GivenDays:
    """The days of a call, by the names of its arguments; MetricsError where they are no one range.

    A first day alone is that day; a last day alone is half a range, and is not taken for none.
    """

    date_range: str | None = None
    since: date | None = None
    until: date | None = None
    before_since: date | None = None
    before_until: date | None = None

    def given(self) -> dict[str, Any]:
        """What was given, and the range that holds without any."""
        named = {name: value for name, value in asdict(self).items() if value}
        return named if self.since or self.until else {"date_range": _DEFAULT_RANGE} | named

    def asked(self) -> str | Range:
        """A preset by name, or the first and the last day, inclusive."""
        if self.date_range and (self.since or self.until):
            raise MetricsError(
                "date_range names days, and so do since and until: give the one or the others."
            )
        return _range("", self.since, self.until) or self.date_range or _DEFAULT_RANGE

    def earlier(self) -> Range | None:
        """The days to compare with, where they are named."""
        return _range("before_", self.before_since, self.before_until)

    def so_far(self) -> Range | None:
        """The days of a history, of which a last day alone is the end."""
        if self.until and not self.since:
            return min(FIRST_DAY, self.until), self.until
        return _range("", self.since, self.until)


class Tools:
    """The tools over one warehouse, at one moment of a clock."""

    def __init__(
        self, warehouse: Warehouse, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._warehouse = warehouse
        self._now = now

    def list_accounts(self, cursor: str | None, limit: int) -> Answer:
        """Every ad account: id, name, currency, time zone."""
        columns = "account_id name currency timezone_name is_simulated".split()

        def found() -> Answer:
            rows = [
                {name: getattr(one, name) for name in columns}
                for one in metrics.accounts_of(self._warehouse)
            ]
            return _table(columns, rows)

        return _answered(found, {"tool": "list_accounts"}, cursor, limit)

    def list_metrics(self, search: str | None, cursor: str | None, limit: int) -> Answer:
        """Every metric of the dictionary, or those that have a text in name or meaning."""
        columns = "metric name unit kind better formula meaning synonyms".split()

        def found() -> Answer:
            wanted = (search or "").casefold()
            rows = [
                {
                    "metric": one.key,
                    "name": one.display_name,
                    "unit": str(one.unit),
                    "kind": str(one.kind),
                    "better": str(one.better),
                    "formula": one.formula,
                    "meaning": one.description,
                    "synonyms": list(one.synonyms),
                }
                for _, one in sorted(metrics.dictionary_of(self._warehouse).metrics.items())
                if wanted
                in " ".join((one.key, one.display_name, one.description, *one.synonyms)).casefold()
            ]
            return _table(columns, rows)

        return _answered(found, {"tool": "list_metrics", "search": search}, cursor, limit)

    def describe_metric(self, metric: str) -> Answer:
        """All there is to know of one metric."""
        return _answered(lambda: describe(self._warehouse, metric), {}, None, MAX_ROWS)

    def query_metrics(
        self,
        wanted: Mapping[str, Any],
        days: GivenDays,
        order_by: str | None,
        *,
        descending: bool,
        cursor: str | None,
        limit: int,
    ) -> Answer:
        """Numbers, exactly as the metric layer has them."""

        def found() -> Answer:
            asked = _wanted(wanted, days, order_by, descending=descending)
            return numbers(self._warehouse, asked, self._now())

        asked = {"tool": "query_metrics", **wanted, **days.given()}
        asked |= {"order_by": order_by, "descending": descending}
        return _answered(found, asked, cursor, limit)

    def compare_periods(
        self,
        wanted: Mapping[str, Any],
        days: GivenDays,
        cursor: str | None,
        limit: int,
    ) -> Answer:
        """Numbers beside those of other days; as many days right before where none are named."""

        def found() -> Answer:
            other = days.earlier() or _before(days.asked())
            return compared(self._warehouse, _wanted(wanted, days), other, self._now())

        asked = {"tool": "compare_periods", **wanted, **days.given()}
        return _answered(found, asked, cursor, limit)

    def explain_change(
        self,
        wanted: Mapping[str, Any],
        days: GivenDays,
        cursor: str | None,
        limit: int,
    ) -> Answer:
        """What each entity did to the change of a metric; parts add up exactly to the whole."""

        def found() -> Answer:
            return explain_change(
                self._warehouse,
                wanted["metrics"][0],
                account=wanted["accounts"],
                level=wanted["level"] or "campaign",
                date_range=days.asked(),
                before=days.earlier() or _before(days.asked()),
                filters=wanted["filters"],
                currency=wanted["currency"],
                attribution=wanted["attribution"],
                now=self._now(),
            )

        asked = {"tool": "explain_change", **wanted, **days.given()}
        return _answered(found, asked, cursor, limit)

    def entity_timeline(
        self,
        entity: str,
        days: GivenDays,
        *,
        with_below: bool,
        cursor: str | None,
        limit: int,
    ) -> Answer:
        """What happened to an account, campaign, ad set or ad, newest first."""

        def found() -> Answer:
            return timeline(self._warehouse, entity, days=days.so_far(), with_below=with_below)

        asked = {"tool": "entity_timeline", "entity": entity, "with_below": with_below}
        asked |= {"since": days.since, "until": days.until}
        return _answered(found, asked, cursor, limit)

    def data_health(self, accounts: Sequence[str] | None, cursor: str | None, limit: int) -> Answer:
        """How fresh and complete the data of each account is."""

        def found() -> Answer:
            known = metrics.accounts_of(self._warehouse, _named(accounts))
            return data_health(self._warehouse, [one.account_id for one in known])

        return _answered(found, {"tool": "data_health", "accounts": accounts}, cursor, limit)

    def advice(
        self,
        accounts: Sequence[str] | None,
        kinds: Sequence[str] | None,
        *,
        include_settled: bool,
        cursor: str | None,
        limit: int,
    ) -> Answer:
        """What to pause, scale or mend, with its evidence; the record of earlier advice beside."""

        def found() -> Answer:
            return advice_given(
                self._warehouse,
                _named(accounts),
                kinds,
                include_settled=include_settled,
            )

        asked = {"tool": "advice", "accounts": accounts, "kinds": kinds}
        return _answered(found, asked | {"include_settled": include_settled}, cursor, limit)

    def meta_recommendations(
        self, accounts: Sequence[str] | None, cursor: str | None, limit: int
    ) -> Answer:
        """What Meta itself recommends, and its opportunity score."""

        def found() -> Answer:
            return recommended_by_meta(self._warehouse, _named(accounts))

        asked = {"tool": "meta_recommendations", "accounts": accounts}
        return _answered(found, asked, cursor, limit)

    def ask(
        self, question: str, accounts: Sequence[str] | None, cursor: str | None, limit: int
    ) -> Answer:
        """A question in plain words."""
        try:
            return ask(
                self._warehouse,
                question,
                account=_named(accounts),
                now=self._now(),
                cursor=cursor,
                limit=limit,
            )
        except CopilotError as error:
            return Answer(outcome=Outcome.REFUSED, question=question, message=str(error))


def _range(prefix: str, since: date | None, until: date | None) -> Range | None:
    if since is None and until is not None:
        raise MetricsError(
            f"{prefix}until alone is half a range: give {prefix}since, the first day, as well."
        )
    return None if since is None else (since, until or since)


def _wanted(
    given: Mapping[str, Any],
    days: GivenDays,
    order_by: str | None = None,
    *,
    descending: bool = True,
) -> Wanted:
    names = list(given["metrics"])
    # Ordered by what is not shown, an answer could not be checked.
    if order_by and order_by not in names:
        raise MetricsError(f"order_by {order_by!r} is none of the metrics asked for.")
    ranking = Ranking(order_by, descending, None) if order_by else None
    return Wanted(**{**given, "metrics": names, "date_range": days.asked(), "ranking": ranking})


def _before(date_range: str | Range) -> Any:
    own = function_of(date_range)
    return lambda today: before(own(today))


def _named(accounts: Sequence[str] | None) -> list[str] | None:
    """The accounts of a call; none of them is not all of them: the metric layer refuses it."""
    return None if accounts is None else list(accounts)


def _table(columns: list[str], rows: list[dict[str, Any]]) -> Answer:
    return Answer(
        outcome=Outcome.ANSWERED,
        columns=columns,
        rows=rows,
        row_count=len(rows),
        provenance=Provenance(is_simulated=any(row.get("is_simulated") for row in rows)),
    )


def _answered(
    ask: Callable[[], Answer], asked: Mapping[str, Any], cursor: str | None, limit: int
) -> Answer:
    """The answer's page; what has none says why, and names of others stand beside the sentence."""
    try:
        with over_in(QUESTION_SECONDS):
            answer = ask()
        # What was asked goes back, so that a program can see its defaults and ask the same again.
        answer.asked = {k: v for k, v in asked.items() if v is not None} | answer.asked
        return cut(answer, asked, cursor, limit)
    except CannotRead as error:
        return Answer(outcome=Outcome.REFUSED, message=str(error), near=error.near)
    except UnknownName as error:
        message = f"There is no {error.kind} {error.name!r}."
        return Answer(outcome=Outcome.REFUSED, message=message, near=error.near)
    except (MetricsError, CopilotError) as error:
        return Answer(outcome=Outcome.REFUSED, message=str(error))


__all__ = ["GivenDays", "Tools"]
