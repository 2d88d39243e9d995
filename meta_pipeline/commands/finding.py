"""Finding: one thing that `meta-pipeline check` looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` says what to do when it is not well.

    `is_known` is False where an answer could not be had in time: neither well nor wrong.
    """

    what: str
    subject: str
    ok: bool
    text: str
    fix: str | None = None
    is_known: bool = True
