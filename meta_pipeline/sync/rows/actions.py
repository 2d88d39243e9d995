"""The entries of Meta's action lists: which of them can be counted (FACTS section 5.2).

An entry is `{"action_type": "purchase", "value": "4", "7d_click": "3"}`. Whatever else stands in a
list counts as nothing, so it must not pass without a trace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

# Bounded, and possessive where lines are matched: no text makes the match go back and forth.
_NUMBER = r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,2})?"
_IS_NUMBER = re.compile(rf"{_NUMBER}\Z")
_ARE_NUMBERS = re.compile(rf"(?:{_NUMBER}\n)*+\Z")
_TYPE = "action_type"
_ABOUT = "action_"
"""Keys that say what was done begin like this; all the others hold numbers, `value` or a window."""


def is_countable(entry: Any) -> bool:
    """Whether an entry has an action type and a number under `value` and under each window."""
    if not isinstance(entry, Mapping) or "value" not in entry:
        return False
    named = entry.get(_TYPE)
    return (
        isinstance(named, str)
        and named != ""
        and all(
            # By the very type, as a bool is an int to isinstance.
            type(value) in (int, float, str) and _IS_NUMBER.match(str(value)) is not None
            for key, value in entry.items()
            if not key.startswith(_ABOUT)
        )
    )


def are_regular(entries: Sequence[Any]) -> bool:
    """Whether all entries are as Meta documents them; one look at each key instead of each entry.

    False does not mean that one cannot be counted: numbers given as numbers are no text.
    """
    if not set(map(type, entries)) <= {dict}:
        return False
    keys = set[str]().union(*entries)
    if entries and not keys.issuperset((_TYPE, "value")):
        return False
    # Meta leaves windows without actions out; type and value are always there.
    absent = {key: None if key in (_TYPE, "value") else "0" for key in keys}
    try:
        return all(
            _are_texts(key, set(map(dict.get, entries, repeat(key), repeat(other))))
            for key, other in absent.items()
        )
    except TypeError:  # a list or an object where a number belongs
        return False


def _are_texts(key: str, values: set[Any]) -> bool:
    """Whether the distinct values of one key are what belongs there, as text."""
    if not set(map(type, values)) <= {str}:
        return False
    if key.startswith(_ABOUT):
        return key != _TYPE or "" not in values
    return _ARE_NUMBERS.match("".join(f"{value}\n" for value in values)) is not None
