"""The pages of the navigation, in its order."""

from __future__ import annotations

NAVIGATION = (
    ("/", "Overview"),
    ("/campaigns", "Campaigns"),
)
