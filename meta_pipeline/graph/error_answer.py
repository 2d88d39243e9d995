"""What an error answer says, and the typed error it becomes by the rule of error_policy.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from meta_pipeline.graph.error_lookup import rule_for
from meta_pipeline.graph.error_rule import ErrorRule
from meta_pipeline.graph.errors import (
    FieldRejected,
    GraphError,
    InvalidRequest,
    RangeTooOld,
    Throttled,
    Treatment,
    ValueRejected,
)
from meta_pipeline.model.limit import Limit
from meta_pipeline.model.usage import FULL_ACCESS, SCORE_HEADER, UsageReading

# Nothing of Meta's lasts longer; a header that says so is not to be believed.
LONGEST_WAIT_SECONDS = 24 * 3600.0
# Codes and subcodes have up to seven digits (FACTS section 3.1); the log holds 32 bits.
_LARGEST_CODE = 2**31 - 1

# Of a text of Meta's: more than any list of values that it prints. Each is searched for names, and
# kept with the sync that it ended.
_LONGEST_TEXT = 5_000
_MOST_BLAMED = 100
_LONGEST_TRACE = 100
"""Of an id that has some twenty characters, and stands in each sentence about its error."""

_FIELD_NAMES = (
    re.compile(r"nonexisting field \(([\w.]+)\)"),
    re.compile(r"(?<![\w.])([\w.]++)(?:,[\w., ]+)? (?:is|are) not valid for fields param"),
)
# Subcodes that say which list is wrong and not which of its values.
_WHOLE_LISTS = {1487561: "effective_status"}
_LIST = re.compile(r"\b([a-z_]+)((?:\[\w*\])*)\s+must be one of", re.IGNORECASE)
_PLACE = re.compile(r"\b(?:filtering\[\d+\]\[value\]|(?!filtering)[a-z_]+)\[(\d+)\]", re.IGNORECASE)
_GOT = re.compile(r"\bgot:?\s+[\"'\u201c]?([\w.]+)", re.IGNORECASE)
_MONTHS = re.compile(r"\b(\d{1,3})[\s-]months?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The `error` object of an answer, every member checked and optional but `message`."""

    # Localised by Meta: nothing is decided by it where a code decides.
    message: str
    code: int | None = None
    subcode: int | None = None
    fbtrace_id: str | None = None
    # None where Meta did not say.
    is_transient: bool | None = None
    # Often the better explanation, and as often missing.
    user_title: str | None = None
    user_message: str | None = None
    # Parameters that `error_data` names, as dotted paths.
    blamed: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: object) -> Refusal:
        """Read the `error` member; a text or something odd still makes a Refusal."""
        if not isinstance(error, Mapping):
            return cls(message=str(error)[:_LONGEST_TEXT])
        return cls(
            message=str(error.get("message") or "no message")[:_LONGEST_TEXT],
            code=_integer(error.get("code")),
            subcode=_integer(error.get("error_subcode", error.get("subcode"))) or None,
            fbtrace_id=_text(error.get("fbtrace_id")),
            is_transient=error.get("is_transient") is True if "is_transient" in error else None,
            user_title=_text(error.get("error_user_title")),
            user_message=_text(error.get("error_user_msg")),
            blamed=_blamed(error.get("error_data")),
        )

    @classmethod
    def of_report(cls, run: Mapping[str, Any]) -> Refusal:
        """Read the error members of a failed report run (v25 and later, FACTS §6)."""
        return cls(
            message=str(run.get("error_message") or run.get("async_status") or "no message")[
                :_LONGEST_TEXT
            ],
            code=_integer(run.get("error_code")),
            subcode=_integer(run.get("error_subcode")) or None,
            user_title=_text(run.get("error_user_title")),
            user_message=_text(run.get("error_user_msg")),
        )

    def cleaned(self, clean: Callable[[str], str]) -> Refusal:
        """The same with every text passed through `clean`."""
        return replace(
            self,
            message=clean(self.message),
            fbtrace_id=clean(self.fbtrace_id)[:_LONGEST_TRACE] if self.fbtrace_id else None,
            user_title=clean(self.user_title) if self.user_title else None,
            user_message=clean(self.user_message) if self.user_message else None,
            blamed=tuple(clean(name) for name in self.blamed),
        )

    @property
    def words(self) -> str:
        """All that Meta says: often the message is “Invalid parameter”, the reason beside it."""
        said = (self.message, self.user_title, self.user_message)
        return " ".join(text for text in said if text)

    @property
    def text(self) -> str:
        """Meta's message with its longer explanation, where it adds something."""
        extra = next((t for t in (self.user_message, self.user_title) if t), None)
        blamed = f" (blames {', '.join(self.blamed)})" if self.blamed else ""
        return f"{self.message}{f' - {extra}' if extra else ''}{blamed}"


def rule_of(refusal: Refusal, http_status: int | None) -> ErrorRule:
    """The rule of error_policy.py for `refusal`."""
    return rule_for(
        refusal.code,
        refusal.subcode,
        refusal.words,
        http_status=http_status,
        is_transient=refusal.is_transient,
    )


def is_limit(refusal: Refusal, http_status: int | None = None) -> bool:
    """True when `refusal` means that a limit is reached."""
    return rule_of(refusal, http_status).treatment is Treatment.WAIT


def error_of(
    refusal: Refusal,
    *,
    now: datetime,
    http_status: int | None,
    usage: tuple[UsageReading, ...] = (),
    account_id: str | None = None,
    endpoint_key: str | None = None,
    retry_count: int = 0,
) -> GraphError:
    """The typed error for `refusal`; `now` is the moment of the answer (UTC)."""
    rule = rule_of(refusal, http_status)
    facts: dict[str, Any] = {
        "code": refusal.code,
        "subcode": refusal.subcode,
        "fbtrace_id": refusal.fbtrace_id,
        "http_status": http_status,
        "account_id": account_id,
        "endpoint_key": endpoint_key,
        "usage": usage,
        "retry_count": retry_count,
    }
    if rule.treatment is Treatment.WAIT:
        return _throttled(rule, refusal, now, facts)
    names_value = rule.error_class is InvalidRequest and refusal.code == 100 and _place(refusal)
    # Where a value stands is told in every language, that it "must be one of" is not.
    if names_value and rule.subcode is None:
        rule = rule_for(100, None, "must be one of")
    error = rule.error_class(refusal.text, next_step=rule.next_step, **facts)
    error.retried, error.shrinks = rule.retries, rule.shrinks
    if isinstance(error, FieldRejected):
        error.field_name = rejected_field(refusal.message) or error.field_name
    elif isinstance(error, ValueRejected):
        _name_value(error, refusal)
    elif isinstance(error, RangeTooOld) and (months := _MONTHS.search(refusal.text)):
        error.months = int(months[1])
    return error


def _name_value(error: ValueRejected, refusal: Refusal) -> None:
    """Which value of which list is refused: the text says it best, `error_data` next."""
    if refusal.subcode in _WHOLE_LISTS:
        error.parameter = _WHOLE_LISTS[refusal.subcode]
        return
    if place := _place(refusal):
        error.parameter = place[0].partition("[")[0].lower()
        error.index = int(place[1])
    elif named := _LIST.search(refusal.message):
        error.parameter = named[1].lower()
    if got := _GOT.search(refusal.message):
        error.value = got[1]


def _place(refusal: Refusal) -> re.Match[str] | None:
    """Where a value stands in its list, such as `breakdowns[1]` or `filtering[0][value][10]`."""
    texts = (refusal.message, *refusal.blamed)
    return next((match for text in texts if (match := _PLACE.search(text))), None)


def rejected_field(message: str) -> str | None:
    """The field that `message` says Meta does not give."""
    match = next((m for pattern in _FIELD_NAMES if (m := pattern.search(message))), None)
    return match[1] if match else None


def _throttled(
    rule: ErrorRule, refusal: Refusal, now: datetime, facts: dict[str, Any]
) -> Throttled:
    limit, usage = rule.limit or Limit(), facts["usage"]
    if rule.subcode is None and refusal.subcode is not None and limit.scope != "app":
        # Without a subcode it is the whole user's limit; one we do not know narrows it.
        limit = replace(limit, scope="account")
    told = told_wait_seconds(limit, usage)
    tiers = {reading.access_tier for reading in usage}
    documented = limit.documented_seconds(FULL_ACCESS if FULL_ACCESS in tiers else None)
    seconds = min(told or documented, LONGEST_WAIT_SECONDS)
    until = now + timedelta(seconds=seconds)
    return Throttled(
        refusal.text,
        until=until,
        seconds=seconds,
        limit=limit,
        hint="header" if told else "documented",
        next_step=f"Wait until {until:%Y-%m-%d %H:%M:%S} UTC. {rule.next_step or ''}".strip(),
        **facts,
    )


def told_wait_seconds(limit: Limit, usage: Sequence[UsageReading]) -> float | None:
    """How long Meta's headers say this block lasts, in seconds; None if they do not say.

    The affected use case's own minutes first, then any use case's, then the score's reset time
    (it belongs to account-wide blocks only and says when the score is 0).
    """
    blocked = [r for r in usage if r.regain_seconds and r.source != SCORE_HEADER]
    own = [r for r in blocked if limit.use_case is None or r.use_case == limit.use_case]
    waits = [r.regain_seconds for r in own or blocked if r.regain_seconds]
    if not waits and limit.use_case is None and limit.scope != "app":
        waits = [r.regain_seconds for r in usage if r.regain_seconds]
    return max(waits, default=None)


def _integer(value: object) -> int | None:
    """A code as Meta numbers them; None for what is none, also a number that no code can be."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        code = int(value)
    except (ValueError, OverflowError):
        return None
    return code if abs(code) <= _LARGEST_CODE else None


def _text(value: object) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) and value else None


def _blamed(error_data: object) -> tuple[str, ...]:
    """The parameters blamed; `error_data` is an object or JSON text (FACTS §3.1)."""
    if isinstance(error_data, str):
        try:
            error_data = orjson.loads(error_data)
        except orjson.JSONDecodeError:
            return ()
    specs = error_data.get("blame_field_specs") if isinstance(error_data, Mapping) else None
    if not isinstance(specs, list):
        return ()
    paths = (_path(s) if isinstance(s, list) else str(s) for s in specs[:_MOST_BLAMED])
    return tuple(path[:_LONGEST_TEXT] for path in paths)


def _path(spec: list[Any]) -> str:
    """A path to a parameter; with places in lists as the texts write them: `breakdowns[1]`."""
    names = list(map(str, spec))
    if any(name.isdigit() for name in names[1:]):
        return "".join([names[0], *(f"[{name}]" for name in names[1:])])
    return ".".join(names)
