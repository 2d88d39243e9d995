"""The web application on this machine: its secret, its address, and its process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from meta_pipeline.folders import make_folders
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.settings.secret_files import concealed, private_folder
from meta_pipeline.web.access.hosts import is_loopback
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.secret import Secret, kept_secret
from meta_pipeline.web.access.sign_in import SignIn, sign_in_of

from .children import Children
from .database import data_root
from .ports import HOST, answers, free_port_from

PORT = 8350
_WAIT_SECONDS = 60.0


class WebNotReady(Exception):
    """The web application did not come up; the message names the log to read."""


def secret_of(settings: Settings) -> Secret:
    """META_WEB_SECRET, or the secret kept beside the data."""
    if settings.web_secret is not None:
        return Secret(settings.web_secret.get_secret_value())
    return kept_secret(data_root(settings))


def base_url(settings: Settings, host: str, port: int) -> str:
    """Where people open it; on this machine `localhost`, which Meta's dialog leads back to."""
    shown = "localhost" if is_loopback(host) else f"[{host}]" if ":" in host else host
    return settings.web_url or f"http://{shown}:{port}"


def address_to_open(settings: Settings, base: str, sign_in: SignIn) -> str:
    """The address to open: with a one-time link where people sign in by one."""
    return new_link(secret_of(settings), base) if sign_in is SignIn.LINK else base


def note_address(settings: Settings, base: str) -> None:
    """Keep where it runs, for whoever wants another link."""
    folder = data_root(settings)
    make_folders(folder)
    (folder / "web_address").write_text(base, encoding="utf-8")


def noted_address(settings: Settings) -> str | None:
    """Where it ran last on this machine; None if it never did."""
    with suppress(OSError):
        return (data_root(settings) / "web_address").read_text(encoding="utf-8").strip() or None
    return None


def start_web(
    children: Children,
    environment: Mapping[str, str],
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> str | None:
    """Start it as a process; gives the address to open, None where the settings let nobody in.

    `environment` is what the process sees: its settings are the ones that count, not the caller's.
    """
    settings = Settings.of_process(environment)
    try:
        sign_in = sign_in_of(settings, HOST)
    except SettingsError as error:
        tell(f"The web application does not start: {error}")
        return None
    port = free_port_from(PORT)
    child = children.start(
        "web",
        [sys.executable, "-m", "meta_pipeline.cli", "web", "--host", HOST, "--port", str(port)],
        env=concealed(environment, private_folder(folder), is_ours=True),
        cwd=folder,
    )
    base = base_url(settings, HOST, port)
    # It says so once the port is its own: until then whoever took the port would be the one that
    # answers, and be handed the link.
    if not child.wait_for(lambda: base in child.said and answers(port), _WAIT_SECONDS):
        raise WebNotReady(f"The web application did not come up; its log is {child.log}.")
    return address_to_open(settings, base, sign_in)
