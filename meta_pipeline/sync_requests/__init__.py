"""Wishes to sync: one inbox for people, programs and Meta; what they cost; what came of them."""

from __future__ import annotations

from .asking import RequestRefused, TooManyOpen, Wish, ask, cancel
from .by_id import named_sync
from .claims import Claim, claims
from .dispatcher import Dispatcher, RunState
from .price import Price, price

__all__ = [
    "Claim",
    "Dispatcher",
    "Price",
    "RequestRefused",
    "RunState",
    "TooManyOpen",
    "Wish",
    "ask",
    "cancel",
    "claims",
    "named_sync",
    "price",
]
