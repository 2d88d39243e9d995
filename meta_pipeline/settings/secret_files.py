"""Secrets kept out of the environment of processes whose variables somebody else may name.

Whoever may launch a run in Dagster may name any variable of the process (`{env: NAME}`), and other
tools print theirs. A secret is therefore handed over as a file of mode 0600 in a folder of mode
0700; in the environment stands `<NAME>_FILE` with its path, as `Settings` reads it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import AliasChoices, SecretStr

from .settings import Settings, SettingsError

DAGSTER_URL = "DAGSTER_PG_URL"
"""The database as Dagster reads it: stays a variable, its password goes to a passfile."""
# No other user of the machine may read secrets, nor see which there are.
_FOLDER_MODE = 0o700


def secret_names() -> frozenset[str]:
    """The variables of all settings that are secret: META_ACCESS_TOKEN, DATABASE_URL, ...

    Not DAGSTER_PG_URL: Dagster reads that variable by its name.
    """
    names = frozenset(
        str(field.validation_alias.choices[0])
        for field in Settings.model_fields.values()
        if SecretStr in (field.annotation, *get_args(field.annotation))
        and isinstance(field.validation_alias, AliasChoices)
    )
    return names - {DAGSTER_URL}


def concealed(
    environment: Mapping[str, str], folder: Path, *, is_ours: bool = False
) -> dict[str, str]:
    """The environment with its secrets in files in `folder`: `<NAME>_FILE` in place of `<NAME>`.

    What is a file already stays where it is. The password of DAGSTER_PG_URL is given to libpq as a
    passfile. With `is_ours`, where no process of another environment has its secrets in `folder`,
    those of names that are not set any more go. SettingsError when the folder cannot be made or is
    open to others.
    """
    result = dict(environment)
    for name in secret_names():
        path = folder / name.lower()
        if value := result.pop(name, ""):
            result[f"{name}_FILE"] = str(_written(path, value))
        elif is_ours and result.get(f"{name}_FILE") != str(path):
            path.unlink(missing_ok=True)
    if url := result.get(DAGSTER_URL):
        result[DAGSTER_URL] = with_passfile(url, folder)
    return result


def with_passfile(url: str, folder: Path) -> str:
    """The URL without its password, which libpq then reads from a file in `folder`."""
    parts = urlsplit(url)
    # Pairs, as a parameter may come more than once: several hosts.
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    given = [value for name, value in pairs if name == "password" and value]
    password = given[-1] if given else unquote(parts.password or "")
    if not password:
        return url
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    passfile = str(_written(folder / "pgpass", f"*:*:*:*:{escaped}\n"))
    query = [pair for pair in pairs if pair[0] != "password"] + [("passfile", passfile)]
    user, _, hosts = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    netloc = f"{name}@{hosts}" if name else hosts
    # urlunsplit leaves `//` out where no host and no user stand behind it: a socket's URL.
    return f"{parts.scheme}://{netloc}{parts.path}?{urlencode(query, quote_via=quote)}"


def private_folder(home: Path | None = None) -> Path:
    """A folder of this user's alone: `private` in `home`, or one of the system's for this while.

    The second where there is no home or it cannot be written, as in a read-only container; each
    home has its own there, as staging and production may share a machine and a user.
    """
    if home is not None and os.access(home, os.W_OK):
        return _alone(home / "private")
    mine = _alone(Path(tempfile.gettempdir()) / f"meta-pipeline-{os.geteuid()}")
    if home is None:
        return mine
    return _alone(mine / hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:16])


def _alone(folder: Path) -> Path:
    """The folder, made or made private; SettingsError when it is somebody else's."""
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        known = folder.lstat()
        if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.geteuid():
            raise SettingsError(f"{folder} is not this user's folder: secrets are not put there.")
        if stat.S_IMODE(known.st_mode) != _FOLDER_MODE:
            folder.chmod(_FOLDER_MODE)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be made for the secrets of Dagster's processes: {error.strerror}."
        ) from None
    return folder


def _written(path: Path, text: str) -> Path:
    """The file with this text, of mode 0600, as `mkstemp` makes them; replaced as a whole."""
    # Of a name nobody else takes: containers that share a folder have processes of one number.
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=_alone(path.parent))
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return draft.replace(path)
    except OSError:
        draft.unlink()
        raise
