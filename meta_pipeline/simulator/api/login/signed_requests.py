"""`signed_request` of the deauthorize and data deletion callbacks (FACTS section 9)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Literal, get_args

import orjson

Forgery = Literal["signature", "payload", "algorithm", "malformed"]
FORGERIES: tuple[str, ...] = get_args(Forgery)
_ALGORITHM = "HMAC-SHA256"


def make(secret: str, user_id: str, issued_at: int, *, forged: Forgery | None = None) -> str:
    """`signature.payload`, both base64url without padding; `forged` spoils one part of it.

    The signature covers the encoded payload. "signature": made with another secret; "payload":
    another user put in after signing; "algorithm": names another one; "malformed": no payload.
    """
    algorithm = "none" if forged == "algorithm" else _ALGORITHM
    payload = _payload(user_id, issued_at, algorithm)
    key = f"not {secret}" if forged == "signature" else secret
    signature = _encoded(hmac.new(key.encode(), payload.encode(), hashlib.sha256).digest())
    if forged == "malformed":
        return signature
    if forged == "payload":
        payload = _payload(f"{user_id}1", issued_at, algorithm)
    return f"{signature}.{payload}"


def _payload(user_id: str, issued_at: int, algorithm: str) -> str:
    content: dict[str, Any] = {
        "user_id": user_id,
        "algorithm": algorithm,
        "issued_at": issued_at,
    }
    return _encoded(orjson.dumps(content))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
