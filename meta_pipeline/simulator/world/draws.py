"""Random draws that are pure functions of a seed and a key."""

from __future__ import annotations

import struct
from hashlib import blake2b

# The layout of a key. Another one would be another world for every seed.
_PACK = struct.Struct("<4sIIi").pack
_UNPACK = struct.Struct("<32H").unpack


def seed_key(seed: int) -> bytes:
    """The key of one world: every draw of it is keyed by this."""
    return blake2b(str(seed).encode(), digest_size=32).digest()


def draw(key: bytes, tag: bytes, account: int, index: int, day: int = 0) -> tuple[int, ...]:
    """32 independent integers in [0, 65536) for one thing of the world (one hash)."""
    message = _PACK(tag, account, index, day)
    return _UNPACK(blake2b(message, digest_size=64, key=key).digest())
