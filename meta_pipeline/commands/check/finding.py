"""Finding: one thing that `meta-pipeline check` looked at."""

from dataclasses import dataclass

from meta_pipeline.graph import (
    DeadlineExceeded,
    GraphError,
    PermissionDenied,
    Reauthorize,
    VersionExpired,
)


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One thing that was looked at; `fix` says what to do when it is not well.

    `is_known` is False where an answer could not be had in time: neither well nor wrong.
    `is_partial` says that it is about what was not looked at.
    """

    what: str
    subject: str
    ok: bool
    text: str
    fix: str | None = None
    is_known: bool = True
    is_partial: bool = False


def failed(what: str, subject: str, error: GraphError) -> CheckFinding:
    """What Meta answered instead, with the next step of whoever reads it."""
    code = f" (Meta {error.code_text})" if error.code_text else ""
    fix = error.next_step
    if isinstance(error, PermissionDenied):
        fix = (
            "Business settings → Accounts → Ad accounts → this account → Add people → the "
            "token's user, with View performance."
        )
    elif isinstance(error, Reauthorize):
        fix = "Put a new token in META_ACCESS_TOKEN; docs/tokens.md shows how to get one."
    elif isinstance(error, VersionExpired):
        fix = "Set META_API_VERSION=v26.0, or leave it out."
    elif isinstance(error, DeadlineExceeded):
        fix = (
            "Check again in a few minutes; where answers really take so long, with a longer "
            "--within and META_CALL_DEADLINE_SECONDS."
        )
    is_known = not isinstance(error, DeadlineExceeded)
    text = f"{error.message}{code}"
    return CheckFinding(what, subject, ok=False, text=text, fix=fix, is_known=is_known)
