"""Why a question has no number: it can be read in several ways, or not at all.

CopilotError
  CannotRead        words are left over, or two readings: `choices` and `near` say what to ask
  BadCursor         a cursor that belongs to another question
"""

from __future__ import annotations

from collections.abc import Sequence


class CopilotError(Exception):
    """Base of what this room refuses; the message is meant for the person who asked."""


class CannotRead(CopilotError):
    """The question has no one reading.

    `words` are those of the question it hangs on. `choices` are (what it is called, what to write
    in place of the words); `near` are known names that look like the words. None of them is part
    of the message: names are text of others.
    """

    def __init__(
        self,
        message: str,
        *,
        words: Sequence[str] = (),
        choices: Sequence[tuple[str, str]] = (),
        near: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.words, self.choices, self.near = list(words), list(choices), list(near)


class BadCursor(CopilotError):
    """A cursor that this question did not give."""
