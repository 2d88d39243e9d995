"""A chart of days as inline SVG, made on the server: bars that keep their text at any width.

Positions across are percentages, heights are pixels, so that nothing is stretched and no script
or inline style is needed. Colours are classes of style.css, for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from meta_pipeline.printable import printable

HEIGHT, TOP, BOTTOM = 190, 14, 24
WIDTH_PCT = 88.0
"""Of the width; the scale stands beside the bars."""
# More dates than that touch each other on a phone.
_MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class DayBar:
    """A bar; `value` is None where the day was never read."""

    day: date
    value: float | None
    label: str
    """What it says on hover and to a screen reader."""


def daily_bars(
    title: str,
    days: Sequence[DayBar],
    *,
    settling: Collection[date],
    scale: Callable[[float], str],
    name_of: Callable[[date], str],
    target: float | None = None,
) -> Markup:
    """Bars of days; those that Meta may still restate stand on a band, unknown ones are hatched."""
    if not days:
        return Markup("")
    known = [one.value for one in days if one.value is not None]
    top = ceiling(max([*known, target or 0.0], default=0.0))
    step = WIDTH_PCT / len(days)
    parts: list[Markup] = [*_band(days, settling, step), *_levels(top, scale)]
    for position, one in enumerate(days):
        parts.append(_bar(one, position * step, step, top, one.day in settling))
    if target is not None and target <= top:
        y = _y(target, top)
        parts.append(Markup('<line class="target" x1="0%" x2="88%" y1="{}" y2="{}"/>').format(y, y))
    every = max(1, math.ceil(len(days) / _MOST_LABELS))
    parts += [
        Markup('<text class="tick" x="{:.3f}%" y="{}">{}</text>').format(
            position * step, HEIGHT - 6, name_of(days[position].day)
        )
        for position in range(0, len(days), every)
    ]
    return Markup(
        '<svg class="chart" role="img" aria-label="{}" width="100%" height="{}">{}</svg>'
    ).format(printable(title), HEIGHT, Markup("").join(parts))


def ceiling(highest: float) -> float:
    """The next round number: the top of the scale."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    # The highest bar fills two thirds of the picture at least.
    return next(power * part for part in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if highest <= power * part)


def _y(value: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 2)


def _bar(one: DayBar, left: float, step: float, top: float, is_settling: bool) -> Markup:
    gap = step * 0.14
    kind = "unknown" if one.value is None else "settling" if is_settling else "final"
    y = _y(top if one.value is None else one.value, top)
    height = max(HEIGHT - BOTTOM - y, 0)
    return Markup(
        '<rect class="bar {}" x="{:.3f}%" y="{}" width="{:.3f}%" height="{:.2f}" rx="2">'
        "<title>{}</title></rect>"
    ).format(kind, left + gap, y, step - 2 * gap, height, one.label)


def _band(days: Sequence[DayBar], settling: Collection[date], step: float) -> list[Markup]:
    """Behind the days that may still move, one rectangle for each run of them."""
    runs: list[list[int]] = []
    for position, one in enumerate(days):
        if one.day not in settling:
            continue
        if runs and runs[-1][1] == position:
            runs[-1][1] = position + 1
        else:
            runs.append([position, position + 1])
    return [
        Markup('<rect class="band" x="{:.3f}%" y="0" width="{:.3f}%" height="{}"/>').format(
            first * step, (after - first) * step, HEIGHT - BOTTOM
        )
        for first, after in runs
    ]


def _levels(top: float, scale: Callable[[float], str]) -> list[Markup]:
    levels = []
    for part in (0.0, 0.5, 1.0):
        y = _y(top * part, top)
        levels.append(Markup('<line class="grid" x1="0%" x2="88%" y1="{}" y2="{}"/>').format(y, y))
        if part:
            levels.append(
                Markup('<text class="level" x="100%" y="{}">{}</text>').format(
                    y + 4, scale(top * part)
                )
            )
    return levels
