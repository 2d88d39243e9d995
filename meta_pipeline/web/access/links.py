"""One-time links: who can read this machine's terminal or files comes in, once each."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from itsdangerous import BadSignature, URLSafeTimedSerializer

from meta_pipeline.warehouse import Warehouse

from .secret import Secret

# A working day: who starts it in the morning may open it in the afternoon.
LIFETIME = timedelta(hours=12)


def new_link(secret: Secret, base_url: str) -> str:
    """An address that signs whoever opens it first in, within twelve hours."""
    return f"{base_url}/enter?key={_signer(secret).dumps(secrets.token_urlsafe(16))}"


def is_let_in(key: str, secret: Secret, warehouse: Warehouse) -> bool:
    """Whether the key of a link is ours, not too old, and was not used before; it is now.

    Of several who use it at the same moment one is let in, whichever process they reach.
    """
    try:
        nonce = _signer(secret).loads(key, max_age=int(LIFETIME.total_seconds()))
    except BadSignature:
        return False
    with warehouse.connection() as connection:
        return warehouse.web.use_link(hashlib.sha256(nonce.encode()).hexdigest(), connection)


def _signer(secret: Secret) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret.of("link"))
