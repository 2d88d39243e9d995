"""Meta's webhooks: deliveries are checked and kept; what they name becomes a sync request."""

from __future__ import annotations

from .collecting import collect
from .delivery import Unreadable, changes_of, delivery_of
from .objects import named_objects
from .signature import is_signed, is_verified
from .unpacking import unpack

__all__ = [
    "Unreadable",
    "changes_of",
    "collect",
    "delivery_of",
    "is_signed",
    "is_verified",
    "named_objects",
    "unpack",
]
