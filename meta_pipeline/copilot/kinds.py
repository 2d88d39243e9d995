"""What sort of answer is wanted: numbers, a reason, a status, how fresh the data is."""

from __future__ import annotations

import re

from meta_pipeline.metrics import Dictionary

from .errors import CannotRead
from .names import NamedEntity
from .phrases import any_of, left_over, marks_of
from .reading import Before, QuestionKind, Reading
from .text import Text
from .words import CHANGE, FALL, RISE

_DATA = r"(?:the |our |my )?(?:data|numbers|figures)"
_WHOSE = r"(?P<who>(?: (?:of|for|in) <entity \d+>)?)"
_READ = r"(?:synced|sync|updated|update|fetched|refreshed|read)"
_TARGETS = r"(?:our |the |my |all |its |their )?(?:targets?|kpis?)"
_MOVED = any_of((*RISE, *FALL, *CHANGE))
_WHY = (
    r"^why(?: did| has| have| is| are| was| were| do| does)?",
    (
        rf"^(?:explain|what explains|what is behind|what drove|what caused|what moved|what drives)"
        rf" (?:the )?(?:{_MOVED})?(?: in| of)?"
    ),
)
_FRESHNESS = (
    rf"how (?:old|fresh|recent|current|stale|complete|up to date) (?:is|are) {_DATA}",
    rf"(?:is|are) {_DATA}{_WHOSE} (?:fresh|complete|current|up to date|stale)",
    r"(?:data )?freshness|data as of|data health",
    (
        rf"(?:when|how long ago) (?:was|were|did)(?: we| it)?(?P<who>(?: <entity \d+>)?) ?"
        rf"(?:last )?{_READ}(?: last)?"
    ),
    r"last (?:sync|synced|update|updated|refresh)(?: of| for)?",
)
_SETTLING = (
    (
        r"(?:which|what) (?:of )?(?P<who><days \d+>) (?:may|can|could|might|will)(?: still)? "
        r"(?:change|move|be restated|settle)"
    ),
    (
        r"(?:which|what) days (?:may|can|could|might|will)(?: still)? "
        r"(?:change|move|be restated|settle)"
    ),
    (
        r"(?:which|what) days (?:are )?(?:still )?"
        r"(?:settling|not final|not settled|unsettled|missing|incomplete)"
    ),
    rf"(?:is|are) {_DATA}{_WHOSE} (?:final|settled)",
)
_RECONCILIATION = (
    r"add up(?: to (?:the |its |their )?(?:account|total|whole))?",
    r"reconcile[sd]?|reconciliation",
)
_TARGETS_MET = (
    (
        r"(?:meet|met|meeting|hit|hitting|reach|reached|reaching|miss|missing|missed|on|above|below|near)"
        rf" {_TARGETS}"
    ),
    rf"how (?:are|do) (?:we|they) (?:doing|do|stand|performing|perform) (?:against|on) {_TARGETS}",
    r"^(?:(?:our|the|show|list|me) )*(?:kpis|targets)",
)
_HISTORY = (
    r"(?:what|who|which) (?:has |have |was |were |did )?(?:changed?|happened?|edited?|touched?)",
    r"(?:history|timeline|change log|changelog|audit trail|edits|changes)(?: (?:of|for|to|in))?",
)
_KINDS: tuple[tuple[QuestionKind, tuple[str, ...]], ...] = (
    (QuestionKind.WHY, _WHY),
    (QuestionKind.FRESHNESS, _FRESHNESS),
    (QuestionKind.SETTLING, _SETTLING),
    (QuestionKind.RECONCILIATION, _RECONCILIATION),
    (QuestionKind.TARGETS, _TARGETS_MET),
    (QuestionKind.HISTORY, _HISTORY),
)
_MEANING = re.compile(
    r"^(?:what (?:does|do|is|are)(?: the)? .*(?:mean|means|stand for|meaning|definition|formula).*"
    r"|define .*|explain (?!the ).*"
    r"|how (?:is|are|do you|do we) .*(?:calculated?|computed?|counted|count|defined?).*"
    r"|what counts as .*|(?:the )?(?:formula|definition|meaning) (?:of|for) .*|what is an? .*)$"
)
_MEANING_WORDS = any_of(
    (
        *("mean", "means", "stand for", "meaning", "definition", "formula", "define", "explain"),
        *("calculated", "calculate", "computed", "compute", "counted", "counts", "defined"),
    )
)


def mark_kind(text: Text) -> None:
    """What sort of answer the words ask for, where it is not just numbers."""
    has_metric = "<metric" in text.line or "<price" in text.line
    # "What is the spend of last week" asks for a number: with days in it, it is no definition.
    if has_metric and "<days" not in text.line and _MEANING.match(text.line):
        text.replace(_MEANING_WORDS, lambda _: "")
        text.line = f"{text.mark('kind', QuestionKind.MEANING)} {text.line}"
        return
    for kind, phrases in _KINDS:
        # "How did spend change" is about numbers; only without a metric a change is an edit.
        if kind is QuestionKind.HISTORY and has_metric:
            continue
        pattern = next((phrase for phrase in phrases if text.has(phrase)), None)
        if pattern is not None:
            _replace_kind(text, pattern, kind)
            if kind is QuestionKind.WHY:
                # "Why did spend rise" is answered whichever way it went: the direction is not a
                # condition.
                text.replace(any_of((*RISE, *FALL, *CHANGE, "go", "went")), lambda _: "")
            return
    if has_metric and "<rank" not in text.line:
        _mark_change(text)


def _replace_kind(text: Text, pattern: str, kind: QuestionKind) -> None:
    """A mark in place of the phrase; a name inside it stays."""

    def by(match: re.Match[str]) -> str:
        kept = match.groupdict().get("who") or ""
        return f"{text.mark('kind', kind)} {kept}"

    text.replace(pattern, by)


_ASKS_CHANGE = re.compile(r"^(?:how|did|has|have|by how much|is|are|was|were)\b")


def _mark_change(text: Text) -> None:
    """Mark "how did spend change last week": it compares with the days before."""
    direction = any_of(
        (
            *CHANGE,
            # Those compare with a number: "ads with higher spend than 10".
            *[word for word in (*RISE, *FALL) if word not in ("higher", "lower", "more", "less")],
        )
    )
    if "<before" in text.line:
        text.replace(direction, lambda _: "")
    elif _ASKS_CHANGE.match(text.line) and text.has(direction):
        text.replace(direction, lambda _: "")
        text.line = f"{text.line} {text.mark('before', Before.PERIOD)}"


def settle_kind(text: Text, reading: Reading, dictionary: Dictionary) -> None:
    """The kind of the reading, and whether it names what that kind needs."""
    kinds = list(dict.fromkeys(marks_of(text, "kind")))
    lists = text.has(r"list|show|which|what|how many|are there") and not left_over(text)
    named = [
        one for one in reading.entities if isinstance(one, NamedEntity) and one.level != "account"
    ]
    asks_status = len(named) == 1 and (reading.statuses is not None or text.has("status|state"))
    if kinds:
        reading.kind = kinds[0]
    elif not reading.metrics and (reading.statuses or lists) and reading.by:
        reading.kind = QuestionKind.ENTITIES
    elif not reading.metrics and asks_status:
        reading.kind = QuestionKind.ENTITIES
        reading.level = named[0].level
        # "Is campaign X active": the status is the question here, and as a filter it would hide the
        # answer.
        reading.filters.pop(f"{named[0].level}_status", None)
        reading.filters.pop("campaign_status", None)
    elif reading.before is not None:
        reading.kind = QuestionKind.COMPARISON
    if reading.kind in _NEED_A_METRIC and not reading.metrics:
        raise _no_metric(text, dictionary)
    # An explanation is of one number, and its parts add up to that one.
    if reading.kind in (QuestionKind.WHY, QuestionKind.MEANING) and len(reading.metrics) > 1:
        raise CannotRead(
            "Ask about one metric at a time.",
            words=list(reading.metrics),
            choices=[
                (dictionary.metric(key).display_name, key.replace("_", " "))
                for key in reading.metrics
            ],
        )
    if reading.ranking is not None and not reading.by:
        raise CannotRead(
            "It is not said what is ranked.",
            choices=[(level, f"by {level}") for level in ("campaign", "ad set", "ad")],
        )
    if (
        reading.conditions
        and not reading.by
        and reading.kind in (QuestionKind.NUMBERS, QuestionKind.COMPARISON)
    ):
        raise CannotRead(
            "It is not said what is to be filtered: campaigns, ad sets or ads?",
            choices=[(level, f"by {level}") for level in ("campaign", "ad set", "ad")],
        )


_NEED_A_METRIC = (
    QuestionKind.NUMBERS,
    QuestionKind.COMPARISON,
    QuestionKind.WHY,
    QuestionKind.MEANING,
)


def _no_metric(text: Text, dictionary: Dictionary) -> CannotRead:
    left = left_over(text)
    if left:
        raise CannotRead(
            f"Not understood: {', '.join(map(repr, left))}. No metric is named.", words=left
        )
    offered = [
        key for key in ("spend", "results", "cost_per_result", "roas") if key in dictionary.metrics
    ]
    return CannotRead(
        "No metric is named, and none is guessed.",
        choices=[(dictionary.metric(key).display_name, key.replace("_", " ")) for key in offered],
    )
