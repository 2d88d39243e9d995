"""Which addresses are this machine's own, and which names are served: no other site's."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from meta_pipeline.settings import Settings

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_OWN = (ip_network("127.0.0.0/8"), ip_network("::1"))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def served_hosts(settings: Settings) -> list[str]:
    """Names a browser may have asked for.

    Any other is refused, so that no name of somebody else's can be pointed here (DNS rebinding).
    """
    own = urlsplit(settings.web_url or "").hostname
    return [*_LOOPBACK, *([f"[{own}]" if ":" in own else own] if own else [])]


def has_loopback(networks: tuple[str, ...]) -> bool:
    """Whether processes of this machine, whoever's they are, come from one of these."""
    return any(ip_network(one).overlaps(own) for one in networks for own in _OWN)


def is_among(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    # A server that listens on :: sees IPv4 as ::ffff:10.0.0.1.
    mapped = getattr(peer, "ipv4_mapped", None) or peer
    return any(mapped in ip_network(one) for one in networks)
