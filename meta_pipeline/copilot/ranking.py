"""Rankings: "top 5 campaigns by spend", "which ad has the best CTR"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from meta_pipeline.metrics import Dictionary

from .conditions import Meaning
from .days import number
from .errors import CannotRead
from .phrases import COUNT, LEVEL, METRIC, any_of, marks_of
from .reading import Ranking, Reading
from .text import Text
from .vocabulary import Term
from .words import BEST, HIGHEST, LEVEL_OF, LOWEST, PLURALS, STATUS_WORDS, WORST


@dataclass(frozen=True, slots=True)
class _Rank:
    """A ranking before its metric is known; `word` is what was said."""

    word: str
    count: int | None
    term: Term | None


_RANK = any_of((*HIGHEST, *LOWEST, *BEST, *WORST))


def mark_ranking(text: Text) -> None:
    """Mark "top 5 campaigns by spend", "which ad has the best CTR", "the three worst ads"."""
    level = rf"(?P<level>{LEVEL})"
    active = rf"(?:(?:{any_of(STATUS_WORDS)}) )?"

    def before(match: re.Match[str]) -> str:
        count = match.groupdict().get("n") or match.groupdict().get("m")
        kept = match.groupdict().get("active") or ""
        unsaid = None if match["level"] in PLURALS else 1
        how_many = unsaid if count is None else number(count)
        mark = text.mark("rank", _Rank(match["word"], how_many, None))
        return f"{mark} {kept}{_plural(match['level'])}"

    text.replace(rf"(?P<word>{_RANK}) (?P<n>{COUNT}) (?P<active>{active}){level}", before)
    text.replace(rf"(?P<n>{COUNT}) (?P<word>{_RANK}) (?P<active>{active}){level}", before)
    text.replace(rf"(?P<word>{_RANK}) (?P<active>{active}){level}", before)

    def superlative(match: re.Match[str]) -> str:
        return text.mark("rank", _Rank(match["word"], None, text.meaning(match["metric"])))

    text.replace(
        rf"(?:has |have |had |got |brought |made |with |on |by )?(?:the )?"
        rf"(?P<word>{_RANK}) (?P<metric>{METRIC})",
        superlative,
    )
    text.replace(rf"(?P<metric>{METRIC}) (?:the )?(?P<word>most|least)", superlative)
    # -1: rows are put in order, and all of them are wanted.
    text.replace(
        rf"(?:sorted |ordered |ranked |sort |order |rank )by (?P<metric>{METRIC})",
        lambda match: text.mark("rank", _Rank("most", -1, text.meaning(match["metric"]))),
    )
    text.replace(
        rf"(?P<rank><rank \d+>)(?P<middle>.*?) (?:by|in terms of|on|for) (?P<metric>{METRIC})",
        lambda match: (
            f"{match['rank']}{match['middle']} {text.mark('rankby', text.meaning(match['metric']))}"
        ),
    )
    text.replace(
        rf"(?P<n>{COUNT}) (?P<active>{active}){level}"
        r"(?= (?:(?:with|that|which|having|who) .*)?<rank)",
        lambda match: (
            f"{text.mark('count', number(match['n']))} {match['active']}{_plural(match['level'])}"
        ),
    )
    text.replace(
        rf"(?P<which>which|what) (?P<n>{COUNT}) (?P<active>{active}){level}",
        lambda match: (
            f"{text.mark('count', number(match['n']))} {match['active']}{_plural(match['level'])}"
        ),
    )


def _plural(level: str) -> str:
    return level if level in PLURALS else f"{level}s"


# "Top campaigns" without a number: as many as a person compares at once.
_DEFAULT_COUNT = 5


def settle_ranking(text: Text, reading: Reading, meaning: Meaning, dictionary: Dictionary) -> None:
    """Which metric rows are ranked by, in which direction, how many of them."""
    ranks = marks_of(text, "rank")
    if not ranks:
        if marks_of(text, "count"):
            raise CannotRead("It is not said by which metric they are to be chosen.")
        return
    if len(ranks) > 1 and not all(one.term is None or one.count == -1 for one in ranks[1:]):
        raise CannotRead("Several rankings are asked for: ask for one.")
    rank = ranks[0]
    by = marks_of(text, "rankby")
    term = by[0] if by else rank.term or next((one.term for one in ranks[1:]), None)
    if term is None and not reading.metrics:
        raise CannotRead("It is not said by which metric they are to be ranked.")
    key = meaning(term) if term is not None else reading.metrics[0]
    if key not in reading.metrics:
        # Shown, and first: rows ranked by what nobody sees look unordered.
        reading.metrics.insert(0, key)
    counts = marks_of(text, "count")
    count = counts[0] if counts else rank.count
    if count is None:
        is_one = re.search(rf"(?:which|what) (?:{any_of(set(LEVEL_OF) - PLURALS)})\b", text.line)
        count = 1 if is_one else _DEFAULT_COUNT
    reading.ranking = Ranking(
        key, _is_descending(rank.word, key, dictionary), None if count == -1 else count
    )


def _is_descending(word: str, key: str, dictionary: Dictionary) -> bool:
    better = dictionary.metric(key).better
    if word in HIGHEST and not (word == "top" and better == "lower"):
        return True
    if word in LOWEST and not (word == "bottom" and better == "lower"):
        return False
    if word in ("cheapest", "most expensive", "dearest"):
        return word != "cheapest"
    # By a cost, "top" may be the cheapest or the dearest: asked back, not guessed.
    if better == "neither" or word in ("top", "bottom"):
        raise CannotRead(
            f"{word!r} by {key} can mean the highest or the lowest: say which.",
            words=[word],
            choices=[(f"the highest {key}", "highest"), (f"the lowest {key}", "lowest")],
        )
    return (word in BEST) == (better == "higher")
