-- Accounts the token can see whose numbers were not synced in time: the longest ago first.
SELECT
    coalesce(account.name, account.account_id) AS account,
    account.account_id,
    to_char(synced.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS synced_at_utc,
    round(extract(epoch FROM meta_ads.present() - coalesce(synced.at, account.first_seen_at)) / 3600, 1)::float8
        AS hours,
    latest.status AS last_status,
    left(latest.error_summary, 300) AS last_error,
    meta_ads.present() - coalesce(synced.at, account.first_seen_at) > %(stale_error)s AS is_error,
    count(*) OVER () AS total
FROM meta_ads.meta_ad_accounts AS account
LEFT JOIN LATERAL (
    SELECT finished_at AS at FROM meta_ads.sync_runs
    WHERE account_id = account.account_id AND status = 'success'
        AND string_to_array(scope, ',') @> ARRAY['insights']
    ORDER BY started_at DESC LIMIT 1
) AS synced ON true
LEFT JOIN LATERAL (
    SELECT status, error_summary FROM meta_ads.sync_runs
    WHERE account_id = account.account_id AND status NOT IN ('refused', 'running')
    ORDER BY started_at DESC LIMIT 1
) AS latest ON true
WHERE account.is_accessible
    AND meta_ads.present() - coalesce(synced.at, account.first_seen_at) > %(stale_warn)s
ORDER BY coalesce(synced.at, account.first_seen_at), account.account_id
LIMIT %(worst)s
