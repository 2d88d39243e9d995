"""Phrases that mean something only as a whole, and what is left when all is marked."""

from __future__ import annotations

import re
from typing import Any

from .days import number
from .reading import Before
from .text import NUMBERS, Text
from .words import CURRENCIES, FILLER, LEVEL_OF


def any_of(phrases: Any) -> str:
    return "|".join(re.escape(one) for one in sorted(phrases, key=len, reverse=True))


METRIC = r"<metric \d+>"


LEVEL = any_of(LEVEL_OF)


COUNT = r"\d{1,3}|" + "|".join(NUMBERS)


CURRENCY = any_of(CURRENCIES)


_AGAINST = r"(?:against|vs|versus|compared (?:to|with|against)|relative to|than)"


_BEFORE = {
    r"(?:the )?(?:week before|previous week|prior week|week earlier)": Before.WEEK,
    r"(?:the )?(?:month before|previous month|prior month|month earlier)": Before.MONTH,
    r"(?:the )?(?:year before|previous year|prior year|year earlier)": Before.YEAR,
    r"(?:the )?same (?:period|days|time) last year|a year (?:ago|before|earlier)": Before.YEAR,
    r"(?:the )?(?:period before|previous period|prior period|one before)": Before.PERIOD,
    rf"(?:the )?(?:(?:same |same number of |(?:{COUNT}) ))?days before(?: (?:that|them))?": (
        Before.PERIOD
    ),
}
_OVER = {
    r"week over week|week on week|wow": Before.WEEK,
    r"month over month|month on month|mom": Before.MONTH,
    r"year over year|year on year|yoy": Before.YEAR,
    r"period over period": Before.PERIOD,
}


def written_out(question: str) -> str:
    """Signs as words, so that they are words like all others."""
    # Two signs before one: ">=" has a ">" in it.
    for sign, word in ((">=", "at least"), ("<=", "at most"), (">", "over"), ("<", "under")):
        question = question.replace(sign, f" {word} ")
    return question


def mark_before(text: Text) -> None:
    """Mark `against the week before`: which days a period is compared with."""
    for phrase, before in _BEFORE.items():
        text.replace(rf"{_AGAINST} (?:{phrase})", lambda _, b=before: text.mark("before", b))  # type: ignore[misc]
    for phrase, before in _OVER.items():
        text.replace(phrase, lambda _, b=before: text.mark("before", b))  # type: ignore[misc]


def mark_windows(text: Text) -> None:
    """Mark `within 7 days of a click`: an attribution window."""
    units = r"(?P<n>\d{1,2}|" + "|".join(NUMBERS) + r") ?(?:days?|d)"
    after = r"(?:of|after|from) (?:an? |the )?(?:ad )?(?P<kind>click|view)(?:ing)?"

    def window(match: re.Match[str]) -> str:
        return text.mark("window", f"{number(match['n'])}d_{match['kind']}")

    text.replace(rf"(?:within |in )?{units} {after}", window)
    text.replace(
        r"(?:with )?(?P<n>\d{1,2}) ?(?:d|day) (?P<kind>click|view)"
        # "1 day view through" is left to the dictionary: it may be the name of a metric.
        r"(?: (?:attribution|window|attribution window))?(?! through)",
        window,
    )
    text.replace(
        r"(?:within |in )?a day (?:of|after) a (?P<kind>click|view)",
        lambda match: text.mark("window", f"1d_{match['kind']}"),
    )


def mark_phrases(text: Text) -> None:
    """Phrases of which single words would mean something else."""
    days = text.marks.get("days", [])
    text.replace(
        rf"{_AGAINST} (?P<days><days \d+>)",
        lambda match: text.mark("before", text.meaning(match["days"])),
    )
    if days and len(re.findall(r"<days \d+>", text.line)) == 2:
        # "how did spend change from last month to this month" names the earlier ones first.
        text.replace(
            r"<days (?P<one>\d+)> to (?P<two><days \d+>)",
            lambda match: f"{text.mark('before', days[int(match['one'])])} {match['two']}",
        )
    text.replace(
        r"(?:also|including|even) (?:those|the ones) (?:that|which|who) spent nothing", lambda _: ""
    )
    text.replace(
        r"(?:that |which |who )?(?:spent nothing|delivered nothing"
        r"|(?:did not|didn't|have not|haven't) (?:deliver|delivered)(?: anything)?)"
        r"|without (?:any )?delivery|with no delivery|not delivering",
        lambda _: text.mark("idle", True),
    )
    text.replace(r"in the tree|(?:down )?the tree", lambda _: text.mark("tree", True))
    text.replace(r"to the cent|in detail|at all|as well|of all|in total|in all", lambda _: "")


def mark_currency(text: Text) -> None:
    """Mark `in EUR`: the currency of the answer."""
    text.replace(
        rf"(?:converted )?(?:in|to|into) (?P<currency>{CURRENCY})",
        lambda match: text.mark("currency", CURRENCIES[match["currency"]]),
    )


def left_over(text: Text) -> list[str]:
    """The words that are neither marks nor filler."""
    marked = re.sub(r"<[a-z]+ \d+>", " ", text.line)
    if "<kind" in text.line:
        marked = re.sub(r"(?<!\S)(?:data|status|state|last|mean)(?!\S)", " ", marked)
    if "<entity" in text.line or "<status" in text.line:
        marked = re.sub(r"(?<!\S)(?:status|state)(?!\S)", " ", marked)
    levels = set(" ".join(LEVEL_OF).split())
    return [
        word for word in dict.fromkeys(marked.split()) if word not in FILLER and word not in levels
    ]


def marks_of(text: Text, kind: str) -> list[Any]:
    return [
        text.meaning(mark)
        for mark in re.findall(r"<[a-z]+ \d+>", text.line)
        if mark.startswith(f"<{kind} ")
    ]
