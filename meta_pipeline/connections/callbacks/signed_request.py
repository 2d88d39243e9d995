"""`signed_request`: what Meta posts to an app, and the proof that it was Meta (FACTS §9)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import orjson

from meta_pipeline.connections.errors import CallbackRefused

MOST_BYTES = 16_384
"""More than any form that Meta sends; what is larger is not read."""
_ALGORITHM = "HMAC-SHA256"
# Meta's ids have some twenty digits; this only bounds what is stored.
_LONGEST_ID = 64
_NAME = "signed_request"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What Meta said and signed; `request_hash` tells this very request from all others."""

    user_id: str = field(repr=False)
    issued_at: datetime
    request_hash: str


def read_signed_request(body: bytes, secrets: Sequence[str], *, now: datetime) -> SignedRequest:
    """The request in a posted form, as the raw bytes came over the wire.

    The signature is HMAC-SHA256 over the encoded payload, under one of `secrets`: the app's secret
    and the one before. Raises CallbackRefused for everything else, without a word of it inside.
    """
    if not any(secrets):
        raise CallbackRefused("Meta's callbacks cannot be verified: set META_APP_SECRET.")
    if len(body) > MOST_BYTES:
        raise CallbackRefused("This is larger than any signed request of Meta.")
    signature, _, payload = _signed(body).partition(b".")
    given = _decoded(signature)
    # Each of them is compared, in constant time, whatever the one before said.
    is_ours = [
        hmac.compare_digest(given, hmac.new(secret.encode(), payload, hashlib.sha256).digest())
        for secret in secrets
        if secret
    ]
    if not any(is_ours):
        raise CallbackRefused("The signature is not one of this app's.")
    # Of what is signed: the signature itself may be written in several ways, padded or not.
    return _read(payload, hashlib.sha256(payload).hexdigest(), now)


def _signed(body: bytes) -> bytes:
    """The one value of the form that counts."""
    try:
        pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True, max_num_fields=20)
    except ValueError:
        pairs = []
    values = [value for name, value in pairs if name == _NAME.encode()]
    # Two of them: which one was signed for whom would be a guess.
    if len(values) != 1:
        raise CallbackRefused("There has to be one signed_request in the form.")
    return values[0]


def _decoded(text: bytes) -> bytes:
    """base64url with or without padding, and nothing that is not."""
    bare = text.rstrip(b"=")
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise CallbackRefused("The signed request is not as Meta encodes it.") from None


def _read(payload: bytes, request_hash: str, now: datetime) -> SignedRequest:
    try:
        said = orjson.loads(_decoded(payload))
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise CallbackRefused("The signed request holds no JSON object.")
    if str(said.get("algorithm", "")).upper() != _ALGORITHM:
        raise CallbackRefused(f"The signed request does not say {_ALGORITHM}.")
    user_id, issued_at = said.get("user_id"), said.get("issued_at")
    # As text or as a number, both are Meta's; True is a number to Python.
    named = str(user_id) if isinstance(user_id, str | int) and not isinstance(user_id, bool) else ""
    if not (0 < len(named) <= _LONGEST_ID and named.isascii() and named.isdigit()):
        raise CallbackRefused("The signed request names no user.")
    if not isinstance(issued_at, int | float) or isinstance(issued_at, bool):
        raise CallbackRefused("The signed request does not say when it was issued.")
    try:
        moment = datetime.fromtimestamp(issued_at, UTC)
    except (ValueError, OverflowError, OSError):
        raise CallbackRefused("The signed request was issued on no day there is.") from None
    # Not from the future: it would end connections that are yet to be made.
    return SignedRequest(named, min(moment, now), request_hash)
