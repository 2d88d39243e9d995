"""What a visitor may do here."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Each may do what the ones before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where `needed` is asked for."""
        order = list(Role)
        return order.index(self) >= order.index(needed)

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Role.VIEWER: "sees every page and downloads tables",
    Role.ANALYST: "also asks for syncs and backfills",
    Role.ADMIN: "also connects Meta, chooses accounts and decides who is a member",
}
