"""Telling people: what is wrong, since when, what to do; once when it starts, once when it ends."""

from __future__ import annotations

from .channels import Channel, DeliveryFailed, Email, Log, Webhook, channels_of
from .condition import Condition, ConditionKind, Grade
from .connections import connection_conditions
from .message import Message, Paragraph, compose
from .notifier import Notifier, Told, tell_all
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
from .store import Alert, AlertStore, ChannelState

__all__ = [
    "Alert",
    "AlertLimits",
    "AlertStore",
    "Channel",
    "ChannelState",
    "Condition",
    "ConditionKind",
    "DeliveryFailed",
    "Email",
    "Grade",
    "Log",
    "Message",
    "Notifier",
    "Paragraph",
    "Told",
    "Webhook",
    "account_conditions",
    "account_problems",
    "channels_of",
    "check_conditions",
    "compose",
    "connection_conditions",
    "error_rate_conditions",
    "limits_of",
    "look_condition",
    "run_condition",
    "tell_all",
    "tick_condition",
]
