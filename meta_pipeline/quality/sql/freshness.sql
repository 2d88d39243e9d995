-- Accounts that are to be synced and whose numbers were not read in time: the longest ago first.
WITH /* late */
SELECT
    coalesce(account.name, account.account_id) AS account,
    account.account_id,
    to_char(account.read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS read_at_utc,
    round(extract(epoch FROM account.late_by) / 3600, 1)::float8 AS hours,
    round(extract(epoch FROM account.due_after) / 3600, 1)::float8 AS hours_allowed,
    latest.status AS last_status,
    left(latest.error_summary, 300) AS last_error,
    account.is_very_late AS is_error,
    count(*) OVER () AS total
FROM account
LEFT JOIN LATERAL (
    SELECT status, error_summary FROM meta_ads.sync_runs
    WHERE account_id = account.account_id AND status NOT IN ('refused', 'running')
        AND NOT string_to_array(scope, ',')
            <@ ARRAY['creatives', 'activities', 'recommendations', 'custom_conversions',
                'custom_audiences', 'images', 'insights_hourly', 'insights_breakdown', 'custom_reports']
    ORDER BY started_at DESC LIMIT 1
) AS latest ON true
WHERE account.is_accessible AND account.is_late
ORDER BY account.late_by DESC, account.account_id
LIMIT %(worst)s
