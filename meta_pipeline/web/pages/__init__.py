"""The pages, in the order of the navigation."""

from __future__ import annotations

from meta_pipeline.web.gate import page

from .account import account
from .campaigns import campaigns
from .download import campaigns_csv
from .overview import overview
from .timeline import timeline

PAGES = (
    page("/", overview),
    page("/accounts/{account_id}", account),
    page("/campaigns", campaigns),
    page("/campaigns.csv", campaigns_csv),
    page("/timeline/{entity_id}", timeline),
)
