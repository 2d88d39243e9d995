-- title: Freshness
-- question: How old is the data of each account, and which days are missing?
-- minimum: 1
-- account: Ad account
-- synced: Time since the last successful sync, in words
-- age_hours: The same in hours; empty for never
-- entities_synced_at: Last successful sync of campaigns, ad sets and ads
-- insights_synced_at: Last successful sync of insights
-- newest_day: Newest day with a row of an ad
-- days_missing: Days between the first and the last that were never fetched
-- last_status: How the last attempt ended
-- waiting_for: What it waits for, until when and why
-- observations: 1 for each account
SELECT
    coalesce(name, account_id) AS account,
    staleness AS synced,
    round((staleness_seconds / 3600)::numeric, 2) AS age_hours,
    entities_synced_at,
    insights_synced_at,
    newest_insight_day AS newest_day,
    insight_days_missing AS days_missing,
    last_status,
    waiting_for,
    1 AS observations
FROM meta_ads.sync_health
WHERE is_accessible
ORDER BY staleness_seconds DESC NULLS FIRST, account
