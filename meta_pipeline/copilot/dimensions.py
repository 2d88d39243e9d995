"""What rows are told apart by, and which status the entities have."""

from __future__ import annotations

import re

from .errors import CannotRead
from .phrases import LEVEL, any_of, marks_of
from .reading import Reading
from .text import Text
from .words import ADVERBS, DIMENSIONS, LEVEL_OF, PLURALS, STATUS_WORDS, STATUSES

_DIMENSION_OF = {word: name for name, spoken in DIMENSIONS.items() for word in spoken}


_DIMENSION = any_of(_DIMENSION_OF)


def mark_dimensions(text: Text) -> None:
    """Mark "by campaign and day", "each ad", "daily": what rows are told apart by."""
    one = rf"(?:{_DIMENSION})"

    def by(match: re.Match[str]) -> str:
        names = [_DIMENSION_OF[word] for word in re.findall(rf"(?<!\S){one}(?!\S)", match["names"])]
        return " ".join(text.mark("by", name) for name in names)

    # Before "by": "daily by campaign" has both.
    for phrase, name in ADVERBS.items():
        text.replace(phrase, lambda _, name=name: text.mark("by", name))  # type: ignore[misc]
    joined = rf"(?P<names>{one}(?:(?: and| by| x| per)? (?:the )?{one})*)"
    text.replace(
        rf"(?:(?:split|broken down|grouped|break down|group) )?(?:by|per|across) "
        rf"(?:the |each |every )?{joined}",
        by,
    )


def mark_each(text: Text) -> None:
    """Mark "each ad" before metrics are looked for: "each ad spend" is no name of one."""
    text.replace(
        rf"(?:for |in |of |on |from )?(?:each|every)(?: of the)? (?P<name>{_DIMENSION})"
        r"(?! <entity)",
        lambda match: text.mark("by", _DIMENSION_OF[match["name"]]),
    )


def settle_dimensions(text: Text, reading: Reading) -> None:
    """Groupings, statuses and levels: of marks, and of nouns that say what the rows are."""
    reading.by += dict.fromkeys(marks_of(text, "by"))
    if marks_of(text, "tree"):
        reading.by += [name for name in ("campaign", "adset") if name not in reading.by]
    nouns = [
        match[1]
        for match in re.finditer(rf"(?<!\S)({LEVEL})(?!\S)(?: (<entity \d+>))?", text.line)
        if match[2] is None or text.meaning(match[2]).level != LEVEL_OF[match[1]]
    ]
    named = [LEVEL_OF[noun] for noun in nouns if noun in PLURALS]
    named += [
        LEVEL_OF[noun[1]]
        for noun in re.finditer(rf"(?<!\S)(?:which|what) ({LEVEL})(?!\S)", text.line)
    ]
    # "what do the campaigns spend by objective": what rows are is said already.
    is_said = set(reading.by) - {"hour", "day", "week", "month", "attribution_window"}
    ranked = LEVEL_OF[nouns[0]] if nouns and reading.ranking is not None else None
    levels = [
        name
        for name in dict.fromkeys(named)
        if name not in reading.by and (not is_said or name == ranked)
    ]
    scoped = {one.level for one in reading.entities}
    # "Ads of campaign X": the campaign is what is looked into, the ads are the rows.
    reading.by += [name for name in levels if name not in scoped or name == "ad"]
    text.replace(LEVEL, lambda _: "")
    words = list(dict.fromkeys(marks_of(text, "status")))
    # Statuses are of one level; "active ads of paused campaigns" would need two.
    if len(words) > 1:
        raise CannotRead(f"Both {words[0]} and {words[1]}: ask for one status.")
    if words:
        reading.statuses = words[0]
        # "Active" is said of what the rows are.
        finest = [name for name in ("ad", "adset", "campaign") if name in reading.by]
        level = finest[0] if finest else "campaign"
        reading.filters[f"{level}_status"] = list(STATUSES[words[0]])
    levels = [name for name in ("ad", "adset", "campaign", "account") if name in reading.by]
    reading.level = levels[0] if levels else None


def mark_statuses(text: Text) -> None:
    """Mark "active", "that are paused": the status entities have now."""
    text.replace(
        rf"(?:(?:that|which|who) )?(?:(?:are|is) )?(?:currently |now |still )?"
        rf"(?P<status>{any_of(STATUS_WORDS)})",
        lambda match: text.mark("status", STATUS_WORDS[match["status"]]),
    )
