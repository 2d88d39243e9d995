"""Mistakes: what a command met in the world, as one sentence that says what to do next.

The root of the command line asks here for whatever a command did not catch itself, so that no
command can end in a traceback; what is not foreseen is called a bug, in a sentence too.
"""

from __future__ import annotations

import errno
from pathlib import Path

from meta_pipeline.redaction import redact

CANNOT_TELL = 3
"""Exit code of a question that had no answer in time."""
_UNANSWERED = ("CannotTell", "LockNotAvailable", "QueryCanceled")

_OWN = "meta_pipeline."
_REASONS = {
    errno.ENOSPC: "The disk is full",
    errno.EDQUOT: "The disk quota is used up",
    errno.EMFILE: "Too many files are open (ulimit -n)",
    errno.EROFS: "The file system is read-only",
}
_EXTRAS = {"mcp": "mcp", "matplotlib": "plots", "celery": "celery", "dagster_celery": "celery"}
"""What is installed by an extra of this name only."""
_NOT_OURS = "This is a fault in meta_pipeline: please report it."


def sentence(error: Exception) -> str:
    """What to tell a person of an exception that ended a command."""
    # By the module: importing the rooms to ask isinstance would take longer than the command.
    if type(error).__module__.startswith(_OWN):
        return str(error)  # all our own errors are sentences
    return redact(_of_others(error))


def _of_others(error: Exception) -> str:
    if isinstance(error, ImportError):
        return _of_import(error)
    if isinstance(error, UnicodeError):
        return f"A text is not UTF-8 ({error}). Save the file as UTF-8, and try again."
    if isinstance(error, OSError):
        return _of_system(error)
    database = _of_database(error)
    if database is not None:
        return database
    why = " ".join(str(error).split())
    return (
        f"Unexpected {type(error).__name__}{f': {why}' if why else ''}. {_NOT_OURS} "
        "`meta-pipeline --traceback ...` shows where it happened."
    )


def exit_code(error: Exception) -> int:
    """1; 3 where the database had no answer in time, which is neither a yes nor a no."""
    return CANNOT_TELL if type(error).__name__ in _UNANSWERED else 1


def _of_import(error: ImportError) -> str:
    name = error.name
    if (extra := _EXTRAS.get(str(name).partition(".")[0])) is not None:
        return f"{name} is not installed: pip install 'meta-pipeline[{extra}]'."
    return (
        f"{error}. The installation is not whole{f': {name} is missing' if name else ''}. "
        "Install it again: pip install --force-reinstall meta-pipeline"
    )


def _of_system(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        # A shell may stand in a folder that somebody removed: then every relative path is missing.
        try:
            Path.cwd()
        except OSError:
            return "The current folder no longer exists: cd to one that does, and try again."
    what = _REASONS.get(error.errno or 0, error.strerror or str(error))
    where = f": {error.filename}" if error.filename is not None else ""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        where += ". Choose another place, or get the right to use this one"
    return f"{what}{where}."


def _of_database(error: Exception) -> str | None:
    """The words of Postgres, whichever library they came through; None for other errors."""
    cause: BaseException | None = error
    while cause is not None and not type(cause).__module__.startswith("psycopg"):
        # SQLAlchemy wraps what psycopg raised, and Alembic goes through it.
        cause = getattr(cause, "orig", None)
    if cause is None:
        return None
    from psycopg import Error

    from meta_pipeline.warehouse import fault

    if not isinstance(cause, Error):
        first_line = str(cause).strip().partition("\n")[0]
        return f"Postgres refused: {first_line.rstrip('.')}."
    return str(fault(cause))
