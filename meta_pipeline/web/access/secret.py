"""The secret that signs sessions and links, and what is derived from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from meta_pipeline.folders import make_folders
from meta_pipeline.settings import SettingsError

# As long as the hash that is made with it.
_BYTES = 32


@dataclass(frozen=True)
class Secret:
    """A secret of at least 32 characters; each use has a key of its own."""

    value: str

    def of(self, use: str) -> str:
        """The key of one use: a link cannot pass for a session."""
        return hmac.new(self.value.encode(), use.encode(), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "Secret(***)"


def kept_secret(folder: Path) -> Secret:
    """The secret kept in `folder`; made at the first call, readable by its owner alone.

    Several processes that start at once get the same. SettingsError for what is another user's.
    """
    make_folders(folder)
    path = folder / "web_secret"
    fresh = folder / f".web_secret.{os.getpid()}.{secrets.token_hex(4)}"
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_BYTES))
        try:
            # A link, unlike a rename, fails where another process made the file meanwhile.
            path.hardlink_to(fresh)
        except FileExistsError:
            pass  # another process was first
        finally:
            fresh.unlink()
    # Not through a link, and not another user's: who knows the secret signs sessions of anybody.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    with os.fdopen(descriptor, encoding="ascii") as file:
        known = os.fstat(descriptor)
        if known.st_uid not in (0, os.geteuid()):
            raise SettingsError(f"{path} is another user's: remove it, or set META_WEB_SECRET.")
        if known.st_mode & 0o077:  # as a copy may have left it
            with suppress(OSError):  # on a disk that cannot be written
                os.fchmod(descriptor, 0o600)
        return Secret(file.read().strip())
