"""Meta's limits: what a call uses up, on which meter, and how a full one refuses."""

from __future__ import annotations

from .limits import AUDIENCE, INSIGHTS, MANAGEMENT, Limits, Tier, active_ads_of

__all__ = ["AUDIENCE", "INSIGHTS", "MANAGEMENT", "Limits", "Tier", "active_ads_of"]
