"""What Meta's answer about a token makes of its connection: the kind, the state, the ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from meta_pipeline.graph import TokenInfo
from meta_pipeline.quality import missing_scopes

from .errors import TokenRefused
from .state import ConnectionKind, ConnectionState, ended_as, state_at

_KINDS = {"SYSTEM_USER": ConnectionKind.SYSTEM_USER, "USER": ConnectionKind.USER}


def kind_of(info: TokenInfo) -> ConnectionKind:
    """The kind of connection a token makes; TokenRefused when it makes none."""
    if not info.is_valid:
        why = f": {info.error}" if info.error else ""
        raise TokenRefused(f"Meta calls this token invalid{why} Nothing was written.")
    kind = _KINDS.get(info.type or "")
    if kind is None:
        raise TokenRefused(
            f"This is a token of type {info.type}: a connection takes that of a system user or of "
            "a user (docs/tokens.md). Nothing was written."
        )
    if missing := missing_scopes(info.scopes):
        raise TokenRefused(
            f"The token lacks the scope {', '.join(missing)}: make one that has it. Nothing was "
            "written."
        )
    return kind


def standing_of(info: TokenInfo, now: datetime) -> dict[str, Any]:
    """What an answer about a token changes in its connection's row."""
    if not info.is_valid:
        subcode = None if info.error is None else info.error.subcode
        state = ended_as(subcode, now, info.expires_at, info.data_access_expires_at)
        why = "Meta calls it invalid" if info.error is None else str(info.error)
        return {"state": state, "problem": why}
    ends = {
        "expires_at": info.expires_at,
        "data_access_expires_at": info.data_access_expires_at,
    }
    return {
        **ends,
        "state": state_at(now, ConnectionState.ACTIVE, *ends.values()),
        "problem": None,
        "scopes": sorted(info.scopes),
    }
