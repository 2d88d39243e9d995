"""Apps, and the configurations of Login for Business that belong to them (FACTS section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

DEFAULT_SCOPES = ("ads_read", "ads_management", "business_management")


@dataclass(frozen=True)
class Configuration:
    """What `config_id` asks for in place of `scope`: everything in it or nothing.

    `kind` "SYSTEM_USER" gives a business integration's token, which never ends unless
    `expires_in_60_days`; "USER" gives that of the person.
    """

    id: str
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    kind: Literal["SYSTEM_USER", "USER"] = "SYSTEM_USER"
    expires_in_60_days: bool = False


@dataclass(frozen=True)
class App:
    """The app that tokens belong to."""

    id: str = "900000000000001"
    secret: str = "simulated-app-secret"  # noqa: S105 - guards nothing
    name: str = "Simulated App"
    require_proof: bool = False
    """Calls without `appsecret_proof` are refused."""
    is_new: bool = True
    """Made since 2026-11-04: `?ids=` and the other legacy request forms are refused. An older app
    may use them still."""
    in_development: bool = True
    """Plain http is allowed to `localhost`, which a live app refuses."""
    redirect_uris: tuple[str, ...] = ()
    """The registered ones; empty: any that the mode allows."""
    configurations: tuple[Configuration, ...] = ()
    deauthorize_url: str = ""
    """Where Meta tells the app that somebody removed it; empty: nowhere."""
    deletion_url: str = ""
    """Where it tells that somebody wants their data deleted; empty: nowhere."""
    is_blocked: bool = False
    """Meta refuses every call of the app with code 200, whatever the token."""

    @property
    def token(self) -> str:
        return f"{self.id}|{self.secret}"

    def configuration(self, config_id: str) -> Configuration | None:
        """The configuration of that id, if the app has it."""
        return next((one for one in self.configurations if one.id == config_id), None)

    def refusal_of(self, redirect_uri: str) -> str | None:
        """Why the dialog does not lead there; None where it does. Compared byte by byte."""
        try:
            parts = urlsplit(redirect_uri)
            scheme, host = parts.scheme, parts.hostname
        except ValueError:
            scheme, host = "", None
        if not host or scheme not in {"http", "https"}:
            return "Invalid redirect_uri: it must be an absolute http or https URL."
        # `127.0.0.1` is not `localhost`, and a live app has neither.
        if scheme == "http" and not (self.in_development and host == "localhost"):
            return "Insecure Login Blocked: the redirect URI of this app must use https."
        if self.redirect_uris and redirect_uri not in self.redirect_uris:
            return (
                "URL Blocked: This redirect failed because the redirect URI is not whitelisted "
                "in the app's Client OAuth Settings."
            )
        return None
