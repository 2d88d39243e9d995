"""Wishes to sync: one inbox for people, programs and Meta; what they cost; what came of them."""

from __future__ import annotations

from .asking import RequestRefused, Wish, ask, cancel
from .claims import Claim, claims
from .dispatcher import Dispatcher, RunState
from .price import Price, price

__all__ = [
    "Claim",
    "Dispatcher",
    "Price",
    "RequestRefused",
    "RunState",
    "Wish",
    "ask",
    "cancel",
    "claims",
    "price",
]
