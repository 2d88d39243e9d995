"""What `check` asks Meta of the settings: whether it takes the windows and breakdowns they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meta_pipeline.custom_reports import CustomReport, load
from meta_pipeline.graph import GraphClient, GraphError, InvalidRequest
from meta_pipeline.settings import Settings
from meta_pipeline.sync.read.halving import refused_alone
from meta_pipeline.sync.read.refusals import BREAKDOWNS, SETTING_OF, WINDOWS
from meta_pipeline.sync.rows.datasets import custom

REPORTS_SETTING = "META_REPORTS_FILE"
_NO_SETTING = (
    "No setting is at fault: Meta takes no question about insights just now. Check again later, "
    "and report it with the fbtrace_id if it stays."
)
_FIELDS = "spend"
"""What is asked for where nothing else is: of all fields the last that Meta would take away."""


def settings_asked(
    client: GraphClient, settings: Settings, account_id: str
) -> Iterator[tuple[str, str, GraphError | None, str | None]]:
    """Setting, value, Meta's objection to it and what to do; one row is asked for each table.

    Raises ReportsError where the file of custom reports is wrong.
    """
    named = settings.attribution_window_names
    if named:
        yield _asked(client, account_id, WINDOWS, named)
    for table in settings.breakdowns:
        yield _asked(client, account_id, BREAKDOWNS, table)
    # Meta's own word on a combination is the only one that holds: its table is not published whole.
    for report in load(settings.reports_file) if settings.reports_file else ():
        if report.is_for(account_id):
            yield _asked_report(client, account_id, report)


def _asked_report(
    client: GraphClient, account_id: str, report: CustomReport
) -> tuple[str, str, GraphError | None, str | None]:
    lists: dict[str, Sequence[Any]] = {
        "fields": report.fields,
        BREAKDOWNS: report.breakdowns,
        "action_breakdowns": report.action_breakdowns,
        WINDOWS: report.attribution_windows or (),
        "filtering": [one.as_meta() for one in report.filters],
    }
    question = _Question(client, account_id, report.level, endpoint_key=custom(report).endpoint_key)
    try:
        question.ask(lists)
    except InvalidRequest as error:
        at_fault = question.at_fault(lists)
        if at_fault is None:
            return REPORTS_SETTING, report.name, error, _NO_SETTING
        what = " and ".join(f"its {name} {value}" for name, value in at_fault.items())
        todo = (
            f"Change report {report.name} in META_REPORTS_FILE: Meta does not take {what or 'it'}."
        )
        return REPORTS_SETTING, report.name, error, todo
    except GraphError as error:
        return REPORTS_SETTING, report.name, error, error.next_step
    return REPORTS_SETTING, report.name, None, None


def _asked(
    client: GraphClient, account_id: str, parameter: str, values: Sequence[str]
) -> tuple[str, str, GraphError | None, str | None]:
    lists = {"fields": ("spend", "actions"), parameter: values}
    setting, shown = SETTING_OF[parameter], ",".join(values)
    question = _Question(client, account_id, "ad", endpoint_key="insights_ad")
    try:
        question.ask(lists)
    except InvalidRequest as error:
        # Its place or its name, where Meta tells one, may be another's: it is found by asking.
        at_fault = question.at_fault(lists)
        what = (at_fault or {}).get(parameter)
        todo = f"Take {what} out of {setting}: Meta does not take it." if what else error.next_step
        return setting, shown, error, _NO_SETTING if at_fault is None else todo
    except GraphError as error:
        return setting, shown, error, error.next_step
    return setting, shown, None, None


class _Question:
    """One row of yesterday, asked for with these or those lists of values."""

    def __init__(
        self, client: GraphClient, account_id: str, level: str, *, endpoint_key: str
    ) -> None:
        self._client = client
        self._account_id = account_id
        self._level = level
        self.endpoint_key = endpoint_key

    def ask(self, lists: Mapping[str, Sequence[Any]]) -> None:
        """Ask; GraphError where there is no answer."""
        # An empty list is refused as one of no values.
        given = {name: list(values) for name, values in lists.items() if values}
        fields = ",".join(given.pop("fields", [_FIELDS]))
        asked = {"level": self._level, "fields": fields, "date_preset": "yesterday", "limit": 1}
        self._client.get(
            f"{self._account_id}/insights",
            asked | given,
            account_id=self._account_id,
            endpoint_key=self.endpoint_key,
        )

    def at_fault(self, lists: Mapping[str, Sequence[Any]]) -> dict[str, str] | None:
        """The lists that Meta does not take, with the values in them that are why.

        Each of them is refused alone; where none is, the lists without which the others are taken.
        Empty where neither can be told, None where Meta takes nothing at all.
        """
        try:
            if not self._takes({}):
                return None
            named = {
                name: values for name, values in lists.items() if not self._takes({name: values})
            }
            if named:
                return {name: self._alone(name, values) for name, values in named.items()}
            return {
                name: _shown(values)
                for name, values in lists.items()
                if values and self._takes({**lists, name: ()})
            }
        except GraphError:
            return {}

    def _alone(self, name: str, values: Sequence[Any]) -> str:
        places = [str(place) for place in range(len(values))]
        refused = refused_alone(
            places, lambda some: self._takes({name: [values[int(place)] for place in some]})
        )
        return _shown([values[int(place)] for place in refused or places])

    def _takes(self, lists: Mapping[str, Sequence[Any]]) -> bool:
        try:
            self.ask(lists)
        except InvalidRequest:
            return False
        return True


def _shown(values: Sequence[Any]) -> str:
    return ",".join(map(str, values))
