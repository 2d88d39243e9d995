"""Finds the rule of error_policy.py for an error answer.

Meta: decide on codes only, messages are localised (FACTS §3.1). Texts are looked at only where
one code means several things, to choose between them, and where a code is not known, for a limit.
"""

from __future__ import annotations

from meta_pipeline.graph.error_policy import (
    TABLE,
    UNKNOWN_LIMIT,
    UNKNOWN_RETRY,
    UNKNOWN_STOP,
    UNKNOWN_TOKEN,
)
from meta_pipeline.graph.error_rule import ErrorRule
from meta_pipeline.graph.errors import Treatment

_EXACT = {(rule.code, rule.subcode): rule for rule in TABLE if rule.text is None}
_BY_TEXT: dict[int, tuple[ErrorRule, ...]] = {
    code: tuple(rule for rule in TABLE if rule.code == code and rule.text is not None)
    for code in {rule.code for rule in TABLE if rule.text is not None}
}
# Long subcodes mean the same under any code; short ones (33, 99, 458) do not.
_BY_SUBCODE = {rule.subcode: rule for rule in TABLE if rule.subcode and rule.subcode > 100_000}
# Codes that say little: under them the subcode decides. Under any other known code the code does:
# 80000/2446079 is insights and 17/2446079 the account's score, 2601/1487742 a failed report.
_UMBRELLAS = frozenset({1, 2, 100})
_LIMIT_TEXTS = ("too many calls", "request limit", "rate limit", "too many requests")


def rule_for(
    code: int | None,
    subcode: int | None = None,
    message: str = "",
    *,
    http_status: int | None = None,
    is_transient: bool | None = None,
) -> ErrorRule:
    """The rule of an error answer: never fails, an unknown code has a rule as well.

    Most telling first: code with subcode; of a code that says enough its texts, then itself; of one
    that says little or nothing its texts, the subcode, itself. Of what stays unknown a text or
    status of a limit, Meta's `is_transient`, then the HTTP status say whether it is repeated.
    """
    rule = _known(code, subcode, message.lower())
    if rule is None:
        if http_status == 429 or any(text in message.lower() for text in _LIMIT_TEXTS):
            return UNKNOWN_LIMIT
        if is_transient or (http_status or 0) >= 500:
            return UNKNOWN_RETRY
        return UNKNOWN_TOKEN if http_status == 401 else UNKNOWN_STOP
    generic = rule.subcode is None and rule.text is None
    if is_transient and generic and rule.treatment is Treatment.STOP:
        return UNKNOWN_RETRY
    return rule


def _known(code: int | None, subcode: int | None, message: str) -> ErrorRule | None:
    if code is None:
        return None
    if subcode is not None and (code, subcode) in _EXACT:
        return _EXACT[code, subcode]
    by_text = next((r for r in _BY_TEXT.get(code, ()) if (r.text or "") in message), None)
    by_code = _EXACT.get((code, None)) or (_EXACT[200, None] if 200 < code < 300 else None)
    if by_code is not None and code not in _UMBRELLAS:
        return by_text or by_code
    return by_text or _BY_SUBCODE.get(subcode or 0) or _BY_SUBCODE.get(code) or by_code
