-- Fetched days whose daily metrics were made of an older read, or never: the oldest read first. What
-- was read within the last half hour may still be on its way.
SELECT
    ledger.account_id,
    ledger.date_start::text AS day,
    to_char(ledger.fetched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS insights_read_at_utc,
    to_char(made.source_fetched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS metrics_made_of_utc,
    false AS is_error,
    count(*) OVER () AS total
FROM meta_ads.sync_windows AS ledger
LEFT JOIN meta_ads.metric_rollups AS made
    ON made.account_id = ledger.account_id AND made.date_start = ledger.date_start
WHERE ledger.dataset = 'insights_ad'
    AND coalesce(meta_ads.past(ledger.fetched_at), '-infinity')
        < meta_ads.present() - interval '30 minutes'
    AND made.source_fetched_at IS DISTINCT FROM ledger.fetched_at
ORDER BY ledger.fetched_at, ledger.account_id, ledger.date_start
LIMIT %(worst)s
