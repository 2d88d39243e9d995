-- Accounts that are to be synced and whose numbers were not read in time: the longest ago first.
WITH rate AS MATERIALIZED (
    -- What the limit is in each currency; of one without a rate only nothing is little.
    SELECT own.currency, limits.usd / own.usd AS per_unit
    FROM meta_ads.currency_worth AS own
    JOIN meta_ads.currency_worth AS limits ON limits.currency = %(currency)s
)
SELECT
    coalesce(account.name, account.account_id) AS account,
    account.account_id,
    to_char(numbers.read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS read_at_utc,
    round(extract(epoch FROM late.by) / 3600, 1)::float8 AS hours,
    round(extract(epoch FROM due.after) / 3600, 1)::float8 AS hours_allowed,
    latest.status AS last_status,
    left(latest.error_summary, 300) AS last_error,
    late.by > due.after * %(very_late)s AS is_error,
    count(*) OVER () AS total
FROM meta_ads.meta_ad_accounts AS account
LEFT JOIN rate ON rate.currency = account.currency
LEFT JOIN LATERAL (
    SELECT fetched_at AS read_at FROM meta_ads.sync_windows
    WHERE account_id = account.account_id AND dataset = 'insights_ad'
        AND meta_ads.past(fetched_at) IS NOT NULL
    ORDER BY date_start DESC LIMIT 1
) AS numbers ON true
CROSS JOIN LATERAL (
    SELECT meta_ads.present() - coalesce(numbers.read_at, account.first_seen_at) AS by
) AS late
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN numbers.read_at IS NOT NULL AND coalesce(sum(spend), 0) <= %(quiet_spend)s * coalesce(rate.per_unit, 0)
            THEN %(stale_quiet)s
        ELSE %(stale)s
    END AS after
    FROM meta_ads.meta_insights
    WHERE account_id = account.account_id AND date_start > meta_ads.present()::date - 8
        AND entity_type = 'account'
) AS due
LEFT JOIN LATERAL (
    SELECT status, error_summary FROM meta_ads.sync_runs
    WHERE account_id = account.account_id AND status NOT IN ('refused', 'running')
        AND NOT string_to_array(scope, ',')
            <@ ARRAY['creatives', 'activities', 'insights_hourly', 'insights_breakdown']
    ORDER BY started_at DESC LIMIT 1
) AS latest ON true
WHERE account.is_accessible AND late.by > due.after
    AND account.account_id <> ALL (%(exclude)s::text[])
    AND (%(include)s::text[] = '{}' OR account.account_id = ANY (%(include)s::text[]))
ORDER BY late.by DESC, account.account_id
LIMIT %(worst)s
