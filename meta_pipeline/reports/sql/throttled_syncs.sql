-- title: Syncs that were throttled
-- question: How many syncs were throttled, by whom, why, and what did it cost?
-- minimum: 5
-- account: Ad account
-- syncs: Attempts that were not refused for another running sync
-- throttled_syncs: Those that ended as throttled
-- throttled_pct: Share of the attempts
-- by_meta: Those in which Meta refused a call
-- by_governor: Those the governor stopped before Meta had to
-- waited_minutes: Time from each stop until calls were allowed again, or were made again
-- last_reason: What the newest of them said
-- observations: Attempts
SELECT
    coalesce(max(account.name), run.account_id) AS account,
    count(*) AS syncs,
    count(*) FILTER (WHERE is_throttled) AS throttled_syncs,
    round(100.0 * count(*) FILTER (WHERE is_throttled) / count(*), 1) AS throttled_pct,
    count(*) FILTER (WHERE is_throttled AND by_meta) AS by_meta,
    count(*) FILTER (WHERE is_throttled AND NOT by_meta) AS by_governor,
    round(coalesce(sum(
        extract(epoch FROM greatest(least(not_before, next_started_at) - finished_at, '0 s'))
    ) FILTER (WHERE is_throttled), 0) / 60, 1) AS waited_minutes,
    (array_agg(error_summary ORDER BY started_at DESC) FILTER (WHERE is_throttled))[1]
        AS last_reason,
    count(*) AS observations
FROM (
    SELECT
        *,
        status = 'throttled' AS is_throttled,
        lead(started_at) OVER (PARTITION BY account_id ORDER BY started_at) AS next_started_at,
        status = 'throttled' AND EXISTS (
            SELECT FROM meta_ads.meta_api_logs AS log
            WHERE log.sync_run_id = sync_runs.sync_run_id AND log.throttled
        ) AS by_meta
    FROM meta_ads.sync_runs
    WHERE started_at >= meta_ads.report_since() AND status <> 'refused'
) AS run
LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
GROUP BY run.account_id
ORDER BY throttled_syncs DESC, syncs DESC, account
