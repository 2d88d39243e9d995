"""Env file: a commented `.env` of all settings, read back before it counts, for its owner alone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from pydantic import AliasChoices, SecretStr

from meta_pipeline.printable import one_line
from meta_pipeline.settings import Settings, SettingsError

# The file holds the access token.
_MODE = 0o600
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=&?~-]*")
_ELSEWHERE = frozenset({"META_TRUSTED_GRAPH_URL"})
"""Refused in a `.env`: where the token may go is not said by a file that lies about."""
_HEAD = """\
# Settings of meta-pipeline, made by `meta-pipeline init`. It holds secrets: keep it out of git.
# The environment wins over this file, and every secret may be given as a file instead:
# META_ACCESS_TOKEN_FILE=/run/secrets/token. What is behind a # is not in effect: the defaults.
"""


def env_text(chosen: Mapping[str, str], notes: Mapping[str, Sequence[str]]) -> str:
    """The text of a `.env` with the chosen values; every other setting is a comment.

    `notes` has further lines of comment by setting. SettingsError for a value that a `.env`
    cannot hold.
    """
    lines = [_HEAD]
    for name, meaning, default in _settings():
        lines.append(f"# {meaning}.")
        lines += [f"# {one_line(note)}" for note in notes.get(name, ())]
        lines.append(f"{name}={_quoted(chosen[name])}" if name in chosen else f"# {name}={default}")
        lines.append("")
    text = "\n".join(lines)
    # With the parser that will read it: what it makes of quotes is decided by nobody else.
    read = dotenv_values(stream=StringIO(text), interpolate=False)
    for name, value in chosen.items():
        if read.get(name) != value or not value.isprintable():
            raise SettingsError(
                f"{name} has characters that a .env cannot hold: put it in a file and name that "
                f"one in {name}_FILE."
            )
    return text


def write_env(path: Path, text: str, *, replaces: bool) -> Path | None:
    """Write the file as a whole, mode 0600; the one it replaces is kept beside it and given.

    FileExistsError when there is one that is not to be replaced, other OSErrors as they come.
    """
    # With O_EXCL and the mode from the first byte on: the token is never readable to others, not
    # for an instant.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        kept = _kept(path) if replaces else None
        if replaces:
            draft.replace(path)
        else:
            # A link, unlike a rename, fails where somebody made the file meanwhile.
            os.link(draft, path)
        return kept
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _kept(path: Path) -> Path | None:
    """A copy of the file there was, for its owner alone."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    kept = path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
        file.write(content)
    return kept


def _settings() -> list[tuple[str, str, str]]:
    """Name, meaning and default of every setting; those needed first come first."""
    rows = []
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        name = str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias)
        default = field.default
        is_plain = default is not None and not isinstance(default, SecretStr)
        if name not in _ELSEWHERE:
            meaning = (field.description or "").rstrip(".")
            rows.append((name, meaning, str(default) if is_plain else ""))
    first = ("META_ACCESS_TOKEN", "DATABASE_URL", "META_INCLUDE_ACCOUNTS", "META_GRAPH_URL")
    return sorted(rows, key=lambda one: first.index(one[0]) if one[0] in first else len(first))


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    # Single quotes: in double ones docker compose would expand a $ that belongs to a password.
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
