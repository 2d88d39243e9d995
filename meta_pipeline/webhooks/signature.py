"""Whether a delivery is Meta's: its signature over the bytes as sent (FACTS section 10)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

_PREFIX = "sha256="


def is_signed(body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether `X-Hub-Signature-256` was made of these bytes with one of the app's secrets.

    Two secrets are good while the app's is being changed. Every one is compared, in constant time.
    """
    if header is None or not header.startswith(_PREFIX):
        return False
    given = header.removeprefix(_PREFIX).strip().lower().encode()
    is_known = False
    for secret in secrets:
        made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        is_known |= hmac.compare_digest(given, made)
    return is_known


def is_verified(token: str | None, expected: str | None) -> bool:
    """Whether the token of a verification request is the one the subscription was made with."""
    if not token or not expected:
        return False
    return hmac.compare_digest(token.encode(), expected.encode())
