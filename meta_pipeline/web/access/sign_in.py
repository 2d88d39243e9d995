"""How people sign in, as the settings and the address say; and when nobody may."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from meta_pipeline.settings import Settings, SettingsError

from .hosts import has_loopback, is_loopback


class SignIn(StrEnum):
    """How a visitor proves who they are."""

    LINK = "link"
    OPENID = "openid"
    PROXY = "proxy"


def sign_in_of(settings: Settings, host: str) -> SignIn:
    """How people sign in to an application that listens on `host`.

    SettingsError when it can be reached from elsewhere and nobody would say who comes, when a
    method is only half set up, or when there are two.
    """
    known = ((SignIn.OPENID, _openid), (SignIn.PROXY, _proxy))
    chosen = [one for one, is_set in known if is_set(settings)]
    if len(chosen) > 1:
        raise SettingsError(
            "META_WEB_OIDC_ISSUER and META_WEB_PROXY_HEADER are both set: who comes in is said by "
            "one of them. Leave the other out."
        )
    own = urlsplit(settings.web_url or "").hostname
    is_local = is_loopback(host) and (own is None or is_loopback(own))
    # A way back made of the request's own Host could be anybody's.
    if chosen == [SignIn.OPENID] and not (is_local or own):
        raise SettingsError(
            "META_WEB_URL is not set: it is the address the identity provider sends people back "
            "to, such as https://ads.example.com."
        )
    if chosen:
        return chosen[0]
    if is_local:
        return SignIn.LINK
    raise SettingsError(
        f"{settings.web_url or host} can be reached from other machines, and nothing says who may "
        "come in. Set META_WEB_OIDC_ISSUER, META_WEB_OIDC_CLIENT_ID and "
        "META_WEB_OIDC_CLIENT_SECRET, or META_WEB_PROXY_HEADER with META_WEB_PROXY_ADDRESSES; or "
        "listen on 127.0.0.1, where a one-time link lets you in. docs/web.md shows each."
    )


def _openid(settings: Settings) -> bool:
    given = {
        "META_WEB_OIDC_ISSUER": settings.web_oidc_issuer,
        "META_WEB_OIDC_CLIENT_ID": settings.web_oidc_client_id,
        "META_WEB_OIDC_CLIENT_SECRET": settings.web_oidc_client_secret,
    }
    missing = [name for name, value in given.items() if not value]
    if missing and len(missing) < len(given):
        there = next(name for name, value in given.items() if value)
        raise SettingsError(f"{there} is set without {' and '.join(missing)}: set all of them.")
    return not missing


def _proxy(settings: Settings) -> bool:
    # Addresses alone are those of a proxy that signs nobody in: it says where a request came from.
    if settings.web_proxy_header and not settings.web_proxies:
        raise SettingsError(
            "META_WEB_PROXY_HEADER is set without META_WEB_PROXY_ADDRESSES: set all of them."
        )
    if (
        settings.web_proxy_header
        and not settings.web_proxy_secret
        and has_loopback(settings.web_proxies)
    ):
        raise SettingsError(
            "META_WEB_PROXY_ADDRESSES names this machine itself, where each of its users can write "
            "META_WEB_PROXY_HEADER as the proxy does: set META_WEB_PROXY_SECRET, and let the proxy "
            "send it as X-Proxy-Secret. docs/web.md shows how."
        )
    return settings.web_proxy_header is not None
