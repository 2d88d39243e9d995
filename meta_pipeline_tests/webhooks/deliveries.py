"""Deliveries as Meta makes them (FACTS section 10)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

SECRET = "the-secret-of-the-app"
BEFORE = "the-secret-before"


def envelope(*changes: dict[str, Any], account: str = "1", time: int = 1_782_862_117) -> bytes:
    """One delivery about one account, with non-ASCII escaped as Meta sends it."""
    entry = {"id": account, "time": time, "changes": list(changes)}
    return json.dumps({"object": "ad_account", "entry": [entry]}).encode()


def changed(object_id: str, kind: str = "ad") -> dict[str, Any]:
    value = {"object_id": object_id, "object_type": kind, "changed_fields": ["effective_status"]}
    return {"field": "field_changed", "value": value}


def signature(body: bytes, secret: str = SECRET) -> dict[str, str]:
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={made}"}
