"""Routes for programs and for Meta: no session, no cookie; each request proves who it is."""

from __future__ import annotations

from .webhooks import WEBHOOKS

PROGRAMS = (*WEBHOOKS,)
