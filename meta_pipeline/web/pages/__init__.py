"""The pages, in the order of the navigation."""

from __future__ import annotations

from meta_pipeline.web.access.role import Role
from meta_pipeline.web.gate import change, change_outside, page

from .account import account
from .advice import advice, advice_dismissed, advice_judged
from .ask import ask
from .campaigns import campaigns
from .connections import (
    answered,
    choose,
    chosen,
    connect,
    connections,
    removed,
    reopened,
    whose_login,
)
from .creatives import creatives
from .download import campaigns_csv
from .health import health
from .members import invite, members, remove_member, revoke_invitation, set_member
from .overview import overview
from .sync import sync, sync_asked, sync_cancelled, sync_price
from .timeline import timeline

PAGES = (
    page("/", overview),
    page("/accounts/{account_id}", account),
    page("/campaigns", campaigns),
    page("/campaigns.csv", campaigns_csv),
    page("/advice", advice),
    # Whatever changes something takes a form of ours: a link can be put into anybody's page.
    change_outside("/advice/judge", advice_judged, needs=Role.ANALYST),
    change("/advice/dismiss", advice_dismissed, needs=Role.ANALYST),
    page("/ask", ask),
    page("/creatives", creatives),
    page("/timeline/{entity_id}", timeline),
    page("/sync", sync),
    page("/sync/price", sync_price, needs=Role.ANALYST),
    change("/sync", sync_asked, needs=Role.ANALYST),
    change("/sync/cancel", sync_cancelled, needs=Role.ANALYST),
    page("/health", health),
    page("/connections", connections),
    page("/connections/connect", connect, needs=Role.ADMIN),
    page("/connections/back", answered, needs=Role.ADMIN, whose=whose_login, asks_meta=True),
    page("/connections/choose/{pending_id}", choose, needs=Role.ADMIN),
    change_outside("/connections/choose", chosen, needs=Role.ADMIN, asks_meta=True),
    change_outside("/connections/accounts", reopened, needs=Role.ADMIN, asks_meta=True),
    change_outside("/connections/remove", removed, needs=Role.ADMIN, asks_meta=True),
    page("/members", members, needs=Role.ADMIN),
    change("/members", set_member, needs=Role.ADMIN),
    change("/members/invite", invite, needs=Role.ADMIN),
    change("/members/revoke", revoke_invitation, needs=Role.ADMIN),
    change("/members/remove", remove_member, needs=Role.ADMIN),
)
