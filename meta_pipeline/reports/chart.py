"""Charts: small inline SVG for a page without scripts, readable at any width.

What scales is SVG (paths in a stretched view box, bars in percent); what is read is HTML text on
top of it, which keeps its size on a phone. Colours are classes of page.css: s0, s1, ... for
series, so that light and dark need no second picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise

from .words import number

# Units of the drawing, not pixels: the view box is stretched to whatever room there is.
_WIDTH, _HEIGHT = 1000.0, 300.0
# Steps at which clocks and calendars are read: no 25 minutes, no 5 hours.
_STEPS_SECONDS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000,
)  # fmt: skip
# More texts than that run into each other on a phone.
_TICKS = 6
_LINE_COLOURS = (0, 1, 3, 4, 5)
"""Classes of lines: red (s2) is kept for thresholds and refusals."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: `points` are (time, value), in the order of time."""

    name: str
    points: Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A dashed level across the chart; on a phone only its value is shown."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of values: `parts` make its bar, `note` is what it says at its end."""

    label: str
    parts: Sequence[float]
    note: str

    def across(self, whole: float) -> str:
        """The parts one behind the other, of a width that stands for `whole`."""
        drawn, left = [], 0.0
        for n, part in enumerate(self.parts):
            width = 100 * part / whole
            if width > 0:
                drawn.append(
                    f'<rect class="s{n} fill" x="{left:.3f}%" width="{width:.3f}%" height="100%"/>'
                )
            left += width
        label = escape(f"{self.label}: {self.note}")
        return f'<svg role="img" aria-label="{label}">{"".join(drawn)}</svg>'

    def upright(self, highest: float) -> str:
        """The parts beside one another, of a height that stands for `highest`."""
        width = 100 / len(self.parts)
        drawn = "".join(
            f'<rect class="s{n} fill" x="{n * width:.3f}%" width="{width:.3f}%" '
            f'y="{100 - 100 * part / highest:.3f}%" height="{100 * part / highest:.3f}%"/>'
            for n, part in enumerate(self.parts)
        )
        return f'<svg role="img" aria-label="{escape(self.note)}">{drawn}</svg>'


def lines(
    title: str, series: Sequence[Series], *, thresholds: Sequence[Threshold] = (), unit: str = ""
) -> str:
    """Lines over time with dots at the readings; a figure without any point is empty text."""
    points = [point for one in series for point in one.points]
    if not points:
        return ""
    since, until = min(at for at, _ in points), max(at for at, _ in points)
    # One reading alone: a minute around it, or all would be divided by zero.
    if since == until:
        since, until = since - timedelta(seconds=30), until + timedelta(seconds=30)
    # A threshold is seen also while every reading is far below it.
    highest = max([value for _, value in points] + [one.value for one in thresholds])
    levels = axis(highest)
    plot = _Plot(since, until, levels[-1])
    drawn = [plot.level(value, "grid") for value in levels]
    drawn += [plot.level(one.value, "threshold") for one in thresholds]
    colours = [_LINE_COLOURS[n % len(_LINE_COLOURS)] for n in range(len(series))]
    drawn += [plot.line(one, n) for n, one in zip(colours, series, strict=True)]
    # HTML above the picture: in a stretched view box circles would be ellipses and letters wide.
    over = [plot.dots(one, n) for n, one in zip(colours, series, strict=True)]
    over += [plot.level_text(value, f"{number(value)}{unit}") for value in levels]
    over += [plot.threshold_text(one, unit) for one in thresholds]
    over += plot.times()
    picture = (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    )
    plotted = f'<div class="plot">{picture}{"".join(over)}</div>'
    return _figure(title, legend([one.name for one in series], colours) + plotted)


def bars(title: str, rows: Sequence[Bar], *, names: Sequence[str] = ()) -> str:
    """Horizontal bars, each with stacked parts; `names` of the parts make a legend."""
    whole = max((sum(row.parts) for row in rows), default=0)
    if not rows or whole <= 0:
        return ""
    drawn = "".join(
        f'<li><span class="label">{escape(row.label)}</span>{row.across(whole)}'
        f'<span class="value">{escape(row.note)}</span></li>'
        for row in rows
    )
    return _figure(title, f'{legend(names)}<ul class="bars">{drawn}</ul>')


def columns(title: str, rows: Sequence[Bar], *, names: Sequence[str] = ()) -> str:
    """Upright columns, the parts of each beside one another; labels below."""
    highest = max((part for row in rows for part in row.parts), default=0)
    if not rows or highest <= 0:
        return ""
    drawn = "".join(
        f'<li title="{escape(row.label)}: {escape(row.note)}">{row.upright(highest)}'
        f'<span class="label">{escape(row.label)}</span></li>'
        for row in rows
    )
    return _figure(title, f'{legend(names)}<ul class="columns">{drawn}</ul>')


def legend(names: Sequence[str], colours: Sequence[int] = range(9)) -> str:
    """The colour of each series with its name; nothing without names."""
    entries = "".join(
        f'<li><svg class="key" aria-hidden="true"><rect class="s{n} fill" width="100%" '
        f'height="100%"/></svg>{escape(name)}</li>'
        for n, name in zip(colours, names, strict=False)
    )
    return f'<ul class="legend">{entries}</ul>' if entries else ""


def axis(highest: float) -> list[float]:
    """Round levels from 0 to just above `highest`: three to six of them."""
    if not math.isfinite(highest) or highest <= 0:
        return [0.0, 1.0]
    # Four steps wanted; rounded up to 1, 2, 2.5 or 5, whose multiples are easy to read off.
    rough = highest / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    # Floats: 0.3 / 0.1 is a little more than 3, which is no fourth step.
    count = max(1, math.ceil(highest / step - 1e-9))
    return [round(step * n, 10) for n in range(count + 1)]


def time_ticks(since: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """Round moments of UTC between the two, at most seven, each with its text."""
    span = (until - since).total_seconds()
    step = next((one for one in _STEPS_SECONDS if span / one <= _TICKS), _STEPS_SECONDS[-1])
    first = math.ceil(since.timestamp() / step) * step
    moments = [
        datetime.fromtimestamp(at, UTC) for at in range(first, int(until.timestamp()) + 1, step)
    ]
    if step < 60:
        return [(at, f"{at:%H:%M:%S}") for at in moments]
    if step >= 86_400:
        return [(at, f"{at:%d %b}") for at in moments]
    many_days = span > 86_400
    return [(at, f"{at:%d %b %H:%M}" if many_days else f"{at:%H:%M}") for at in moments]


def _figure(title: str, content: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{content}</figure>"


@dataclass(frozen=True, slots=True)
class _Plot:
    since: datetime
    until: datetime
    top: float

    def line(self, series: Series, index: int) -> str:
        """The path, broken where readings are far apart: what is not known is not drawn."""
        gaps = sorted(later[0] - earlier[0] for earlier, later in pairwise(series.points))
        usual = gaps[len(gaps) // 2] if gaps else timedelta(0)
        # Three times what is usual between readings is a pause; a twelfth of the picture is so in
        # any case.
        gap = max((self.until - self.since) / 12, usual * 3)
        path, before = [], None
        for at, value in series.points:
            verb = "L" if before is not None and at - before <= gap else "M"
            path.append(f"{verb}{_WIDTH * self.x(at):.1f} {_HEIGHT * (1 - value / self.top):.1f}")
            before = at
        return f'<path class="s{index} stroke" d="{"".join(path)}"/>'

    def dots(self, series: Series, index: int) -> str:
        return (
            "".join(
                f'<i class="dot s{index}" style="left:{100 * self.x(at):.2f}%;'
                f'bottom:{100 * value / self.top:.2f}%" '
                f'title="{escape(series.name)}: {number(value)} at {at:%Y-%m-%d %H:%M:%S}"></i>'
                for at, value in series.points
            )
            # More dots than that hide the line, and weigh more than all the rest of the page.
            if len(series.points) <= 120
            else ""
        )

    def level(self, value: float, name: str) -> str:
        y = _HEIGHT * (1 - value / self.top)
        return f'<path class="{name}" d="M0 {y:.1f}H{_WIDTH:g}"/>'

    def level_text(self, value: float, text: str) -> str:
        return f'<span class="y" style="bottom:{100 * value / self.top:.2f}%">{escape(text)}</span>'

    def threshold_text(self, one: Threshold, unit: str) -> str:
        bottom = 100 * one.value / self.top
        text = f"<b>{escape(one.name)} </b>{number(one.value)}{unit}"
        return f'<span class="threshold-name" style="bottom:{bottom:.2f}%">{text}</span>'

    def times(self) -> list[str]:
        return [
            f'<span class="x" style="left:{100 * self.x(at):.2f}%">{escape(text)}</span>'
            for at, text in time_ticks(self.since, self.until)
        ]

    def x(self, at: datetime) -> float:
        return (at - self.since) / (self.until - self.since)
