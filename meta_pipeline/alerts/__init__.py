"""Telling people: what is wrong, since when, what to do; once when it starts, once when it ends."""

from __future__ import annotations

from .book import Alert, AlertBook, ChannelState
from .channels import Channel, DeliveryFailed, Email, Log, Webhook, channels_of
from .condition import Condition, Grade, Kind
from .desk import AlertDesk, Told
from .message import Message, compose
from .sources import (
    AlertLimits,
    account_conditions,
    account_problems,
    check_conditions,
    error_rate_conditions,
    limits_of,
    look_condition,
    run_condition,
    tick_condition,
)

__all__ = [
    "Alert",
    "AlertBook",
    "AlertDesk",
    "AlertLimits",
    "Channel",
    "ChannelState",
    "Condition",
    "DeliveryFailed",
    "Email",
    "Grade",
    "Kind",
    "Log",
    "Message",
    "Told",
    "Webhook",
    "account_conditions",
    "account_problems",
    "channels_of",
    "check_conditions",
    "compose",
    "error_rate_conditions",
    "limits_of",
    "look_condition",
    "run_condition",
    "tick_condition",
]
