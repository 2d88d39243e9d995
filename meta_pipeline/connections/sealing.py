"""Sealing: tokens are stored under a key that is not in the database, and for one row alone.

AES-256-GCM with associated data, not Fernet: what a ciphertext belongs to (tenant and connection)
is then checked by the cipher itself. A row that is copied to another tenant or connection does not
open, without a word of ours inside that somebody could forget to compare.

The cipher is imported where a token is sealed or opened: it is 7 MB of each process of a run, and
most have META_ACCESS_TOKEN alone.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from meta_pipeline.settings import Settings

from .errors import KeyMissing, KeysUnusable, TokenUnreadable

VARIABLE = "META_TOKEN_KEYS"
# AES-256.
_KEY_BYTES = 32
# What GCM is made for (NIST SP 800-38D); random, as each key seals few tokens.
_NONCE_BYTES = 12
_ID = re.compile(r"[A-Za-z0-9_.-]{1,40}")
# With a number: another form of sealing will not open what this one sealed.
_PURPOSE = "meta_pipeline connection token 1"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A token that opens with key `key_id` for one tenant and connection."""

    key_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of META_TOKEN_KEYS by id; the first seals, all open."""

    _keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str | None) -> Keyring:
        """`id:key,id:key` as META_TOKEN_KEYS has it; raises KeysUnusable, without a key in it."""
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(filter(None, map(str.strip, (text or "").split(","))), 1):
            key_id, colon, written = entry.partition(":")
            if not colon or _ID.fullmatch(key_id) is None:
                raise KeysUnusable(
                    f"{VARIABLE}: entry {number} is not id:key, as `meta-pipeline connections "
                    "generate-key` prints it."
                )
            if key_id in keys:
                raise KeysUnusable(f"{VARIABLE} has the id {key_id} twice: give each key its own.")
            keys[key_id] = _key(key_id, written)
        return cls(keys)

    @classmethod
    def of(cls, settings: Settings) -> Keyring:
        """Those of the settings; an empty ring where META_TOKEN_KEYS is not set."""
        keys = settings.token_keys
        return cls.parse(keys.get_secret_value() if keys else None)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    @property
    def first(self) -> str:
        """The id of the key that seals; KeyMissing, with what to do, when there is none."""
        if not self._keys:
            raise KeyMissing(
                f"No token can be stored: {VARIABLE} is not set. `meta-pipeline connections "
                f"generate-key` makes a key; put its line into the environment, {VARIABLE}_FILE "
                "or .env, keep a copy outside the database, and try again. Nothing was written."
            )
        return next(iter(self._keys))

    def seal(self, token: str, *, tenant: str, connection_id: str) -> Sealed:
        """The token under the first key, for this connection alone."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key_id, nonce = self.first, os.urandom(_NONCE_BYTES)
        bound = _bound(key_id, tenant, connection_id)
        data = AESGCM(self._keys[key_id]).encrypt(nonce, token.encode(), bound)
        return Sealed(key_id, nonce + data)

    def open(self, sealed: Sealed, *, tenant: str, connection_id: str) -> str:
        """The token; TokenUnreadable when its key is not here or it was sealed for another row."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._keys.get(sealed.key_id)
        if key is None:
            raise TokenUnreadable(
                f"The token of connection {connection_id} was sealed with key {sealed.key_id}, "
                f"which is not in {VARIABLE}: put it back there, after the others."
            )
        nonce, data = sealed.data[:_NONCE_BYTES], sealed.data[_NONCE_BYTES:]
        try:
            bound = _bound(sealed.key_id, tenant, connection_id)
            return AESGCM(key).decrypt(nonce, data, bound).decode()
        except (InvalidTag, ValueError):
            raise TokenUnreadable(
                f"The token of connection {connection_id} does not open with key {sealed.key_id}: "
                f"its row was changed or copied from elsewhere, or {VARIABLE} has another key "
                "under that id. Remove the connection and add it again, or put the right key back."
            ) from None


def generate_key(key_id: str) -> str:
    """`id:key` with a new random key, as one entry of META_TOKEN_KEYS."""
    if _ID.fullmatch(key_id) is None:
        raise KeysUnusable(
            "The id of a key is up to 40 letters, digits, dots, dashes and underscores."
        )
    return f"{key_id}:{base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode().rstrip('=')}"


def _key(key_id: str, written: str) -> bytes:
    # Keys made by other tools come in either alphabet of base64, with padding or without.
    text = written.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise KeysUnusable(
            f"{VARIABLE}: the key {key_id} is not {_KEY_BYTES} bytes in base64: `meta-pipeline "
            "connections generate-key` makes one."
        )
    return key


def _bound(key_id: str, tenant: str, connection_id: str) -> bytes:
    """What the ciphertext belongs to, unambiguous whatever the parts hold."""
    return json.dumps([_PURPOSE, key_id, tenant, connection_id]).encode()
