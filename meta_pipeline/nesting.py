"""JSON that is nested deeper than anything of Meta's: cut, so that it costs itself only.

Decoders and encoders stop at some depth or other (orjson writes 254 levels, Postgres as many as its
stack holds). What is deeper becomes a text that says so.
"""

from __future__ import annotations

import re
from typing import Any

# Far deeper than anything Meta sends, far from the recursion limit of Python (1,000).
DEEPEST = 200
TOO_DEEP = "(nested too deep)"
# A text that never ends is one to its end: else each quote in it would begin another.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def cut(value: Any, depth: int = DEEPEST) -> Any:
    """The value with at most so many levels of lists and objects."""
    if isinstance(value, list | tuple):
        return [cut(one, depth - 1) for one in value] if depth else TOO_DEEP
    if isinstance(value, dict):
        return {key: cut(one, depth - 1) for key, one in value.items()} if depth else TOO_DEEP
    return value


def cut_text(text: str) -> str:
    """The same for JSON text that no decoder reads."""
    depth, kept, start = 0, list[str](), 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(text[start : token.start()])
        elif sign in "]}":
            if depth == DEEPEST + 1:
                kept.append(f'"{TOO_DEEP}"')
                start = token.end()
            depth -= 1
    return "".join([*kept, text[start:]])
