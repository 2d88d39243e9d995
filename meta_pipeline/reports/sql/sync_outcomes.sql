-- title: How syncs ended
-- question: How many syncs brought the data in, and what became of the others?
-- minimum: 5
-- status: success, partial, throttled, fail, refused (another sync was running) or running
-- syncs: Attempts
-- share_pct: Share of all attempts
-- accounts: Ad accounts
-- last_started_at: Start of the newest
-- last_reason: What the newest of them said
-- observations: Attempts
SELECT
    status,
    count(*) AS syncs,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS share_pct,
    count(DISTINCT account_id) AS accounts,
    max(started_at) AS last_started_at,
    (array_agg(error_summary ORDER BY started_at DESC))[1] AS last_reason,
    count(*) AS observations
FROM meta_ads.sync_runs
WHERE started_at >= meta_ads.report_since()
GROUP BY status
ORDER BY syncs DESC, status
