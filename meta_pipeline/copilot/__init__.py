"""Questions in plain words, and tools for programs that ask: read-only, without a model.

A question is read with the words of the metric dictionary and the names in the warehouse, echoed,
and answered by the metric layer; what is not understood is refused, what has two readings is asked
back. Names of campaigns and ads are text of others: they are found, and never obeyed.
"""

from __future__ import annotations

from .answer import MAX_ROWS, Answer, Choice, Outcome, Provenance
from .ask import ask, describe
from .change import explain_change
from .errors import BadCursor, CannotRead, CopilotError

__all__ = [
    "MAX_ROWS",
    "Answer",
    "BadCursor",
    "CannotRead",
    "Choice",
    "CopilotError",
    "Outcome",
    "Provenance",
    "ask",
    "describe",
    "explain_change",
]
