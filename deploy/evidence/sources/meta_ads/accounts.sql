-- One row per ad account: how fresh it is, and what it waits for.
SELECT name AS account_name, last_success_at, staleness, insight_days_missing, waiting_for
FROM meta_ads.sync_health
