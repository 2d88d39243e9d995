"""An account's trend as a picture: spend, results, and their cost against the target."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, replace
from datetime import date, datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.words import digits

from .answers.question import DateRange
from .errors import MetricsError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "html")
# What fits over ten inches in the title's size.
_TITLE_LENGTH = 110
_INK, _BAR, _LINE, _SETTLING = "#1f2933", "#9fb3c8", "#d64545", "#f7e3a1"


@dataclass(frozen=True, slots=True)
class Picture:
    """One rendered trend. `content` is a PNG, an SVG or a whole HTML page."""

    content: bytes
    media_type: str
    title: str
    notes: tuple[str, ...]

    def save(self, path: Path) -> None:
        path.write_bytes(self.content)

    def as_page(self) -> Picture:
        """A PNG as an HTML page of its own, with the notes below it."""
        encoded = base64.b64encode(self.content).decode()
        listed = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        title = html.escape(self.title)
        page = (
            f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>"
            f"<body><img alt='{title}' src='data:image/png;base64,{encoded}'>"
            f"<ul>{listed}</ul></body></html>\n"
        )
        return replace(self, content=page.encode(), media_type="text/html")


def trend(
    warehouse: Warehouse,
    account: str,
    *,
    date_range: DateRange = "last_28d",
    results: str | None = None,
    cost: str | None = None,
    file_format: str = "png",
    now: datetime | None = None,
) -> Picture:
    """Draw an account's days: spend, results, cost per result against its target.

    Without `results` and `cost`, the account's primary KPI decides (a ratio is the cost, its
    denominator the results), else `results` and `cost_per_result`. Days that Meta may still restate
    have a yellow ground, days that were never fetched are gaps. Raises MetricsError without the
    extra `plots`, UnknownName and ImpossibleQuestion as `query` does.
    """
    if file_format not in FORMATS:
        raise MetricsError(f"No such format: {file_format}. There are {', '.join(FORMATS)}.")
    # Before any query: a minute of reading would end in "not installed".
    if find_spec("matplotlib") is None:
        raise MetricsError(
            "Plots need matplotlib, which is not installed. "
            "Install it: pip install 'meta-pipeline[plots]'."
        )
    from .answers.query import query  # noqa: PLC0415  # pandas, only for those who draw
    from .answers.question import known_accounts  # noqa: PLC0415
    from .kpi import KPIs  # noqa: PLC0415

    kpis = KPIs(warehouse).list(account)
    chosen = _chosen(warehouse, [kpi.metric_key for kpi in kpis if kpi.is_primary])
    shown = (results or chosen[0], cost or chosen[1])
    days = query(
        warehouse,
        account=account,
        metrics=["spend", *shown],
        by=["day"],
        date_range=date_range,
        now=now,
    )
    targets = {kpi.metric_key: float(kpi.target) for kpi in kpis if kpi.target is not None}
    with warehouse.connection() as connection:
        (known,) = known_accounts(connection, account)
    named = f"{one_line(known.name)} ({known.account_id})" if known.name else known.account_id
    return _render(days, named, shown, targets.get(shown[1]), file_format)


def _chosen(warehouse: Warehouse, primary: list[str]) -> tuple[str, str]:
    from .definitions import store  # noqa: PLC0415

    with warehouse.connection() as connection:
        dictionary = store.current(connection)
    for key in primary:
        metric = dictionary.metric(key)
        if metric.denominator and metric.numerator == "spend":
            return metric.denominator, key
        if metric.numerator and metric.denominator == "spend":
            return metric.numerator, key
    return "results", "cost_per_result"


def _render(
    days: pd.DataFrame, named: str, shown: tuple[str, str], target: float | None, file_format: str
) -> Picture:
    # The figure alone, without pyplot: no window system, no state shared between threads.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(10, 7.5), layout="constrained")
    title = _draw(figure, days, named, shown, target)
    notes = tuple(days.attrs["notes"])
    if file_format == "svg":
        return Picture(_saved(figure, "svg"), "image/svg+xml", title, notes)
    picture = Picture(_saved(figure, "png"), "image/png", title, notes)
    return picture.as_page() if file_format == "html" else picture


def _draw(
    figure: Figure,
    days: pd.DataFrame,
    named: str,
    shown: tuple[str, str],
    target: float | None,
) -> str:
    about = days.attrs
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    when = list(days["day"])
    top.bar(when, days["spend"].astype(float), color=_BAR)
    middle.bar(when, days[shown[0]].astype(float), color=_BAR)
    bottom.plot(when, days[shown[1]].astype(float), color=_INK, marker="o", markersize=3)
    if target is not None:
        bottom.axhline(target, color=_LINE, linestyle="--", label=f"target {digits(target)}")
        bottom.legend(loc="upper right", frameon=False)
    by_account = about["completeness"]["settling_days"].values()
    settling = [date.fromisoformat(day) for listed in by_account for day in listed]
    units = {"currency": f" ({about['currency']})", "percent": " (%)"}
    for axes, name in zip((top, middle, bottom), ("spend", *shown), strict=True):
        _dress(axes, about["display_names"][name] + units.get(about["units"][name], ""), settling)
    title = f"{named}, {about['range'][0]} to {about['range'][1]}"
    # A name may have 400 characters. The end is kept: it has the id and the days.
    short = title if len(title) <= _TITLE_LENGTH else f"…{title[-_TITLE_LENGTH:]}"
    simulated = " (simulated)" if about["is_simulated"] else ""
    # parse_math: a dollar in a name is a dollar, and no formula of TeX.
    figure.suptitle(short + simulated, color=_INK, parse_math=False)
    numbers = days[["spend", *shown]].astype(float)
    if not numbers.fillna(0).to_numpy().any():
        _say_empty(figure, is_read=bool(numbers.notna().to_numpy().any()))
        title += ": no numbers"
    read = f"read {about['data_as_of']}" if about["data_as_of"] else "never read"
    figure.supxlabel(
        f"Days in {about['timezone']}, {read}. Yellow: Meta may still restate the day.",
        fontsize=8,
        color=_INK,
    )
    figure.autofmt_xdate()
    return title


def _say_empty(figure: Figure, *, is_read: bool) -> None:
    """An empty picture says that it is meant: nothing was delivered, or nothing was read."""
    words = "Nothing was delivered on these days." if is_read else "These days were never read."
    figure.text(0.5, 0.5, words, ha="center", va="center", color=_LINE, size=14)


def _dress(axes: Axes, label: str, settling: list[date]) -> None:
    from matplotlib import dates  # noqa: PLC0415

    axes.set_title(label, loc="left", fontsize=10, color=_INK)
    # Bars that do not begin at zero exaggerate.
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    for day in settling:
        middle = float(dates.date2num(day))  # type: ignore[no-untyped-call]
        axes.axvspan(middle - 0.5, middle + 0.5, color=_SETTLING, alpha=0.5, zorder=0, lw=0)


def _saved(figure: Figure, file_format: str) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=file_format, dpi=120)
    return buffer.getvalue()
