-- One row per ad account: when its structure and its numbers were last synced, how the last attempt
-- ended, what it waits for, which days are missing, and how close to Meta's limits it is.
-- account_id: Ad account, as act_<number>
-- name: Name of the ad account
-- is_accessible: False when the token lost the account
-- is_simulated: True when the rows came from a host that is not Meta's
-- entities_synced_at: End of the last successful sync that had campaigns, ad sets and ads
-- insights_synced_at: End of the last successful sync that had insights
-- last_success_at: End of the last successful sync of structure or numbers, not of extras only
-- staleness: Time since then, for people: just now, 15m ago, never
-- staleness_seconds: The same in seconds; null for never
-- last_attempt_at: Start of the last such attempt that was not refused because another ran
-- last_status: How that attempt ended, or running
-- last_error: What went wrong in it or is missing
-- last_calls: Graph API attempts it made
-- last_seconds: How long it took
-- is_running: Whether a sync holds the account right now
-- not_before: No call before this time; null when nothing is waited for
-- waiting_for: The wait as a sentence: until when, by which reading; null when nothing is
-- newest_insight_day: Newest day with an ad row
-- insight_days_fetched: Days of ad rows in the ledger
-- insight_days_missing: Days between the first and the last of them that were never fetched
-- insight_rows: Ad rows Meta returned for those days
-- campaigns: Campaigns, deleted ones included
-- adsets: Ad sets, deleted ones included
-- ads: Ads, deleted ones included
-- active: Campaigns, ad sets and ads whose effective status is ACTIVE or WITH_ISSUES
-- usage_pct: Worst usage read from the account's meters within the last hour
-- usage_read_at: When it was read
-- usage_meter: Which meter that was: scope, and use case where there is one
-- connection_id: Connection its last attempt was made over; null for META_ACCESS_TOKEN
SELECT
    account.account_id,
    account.name,
    account.is_accessible,
    account.is_simulated,
    entities_run.finished_at AS entities_synced_at,
    insights_run.finished_at AS insights_synced_at,
    success.finished_at AS last_success_at,
    CASE
        WHEN success.finished_at IS NULL THEN 'never'
        WHEN meta_ads.present() - success.finished_at < interval '1 minute' THEN 'just now'
        WHEN meta_ads.present() - success.finished_at < interval '1 hour'
            THEN floor(extract(epoch FROM meta_ads.present() - success.finished_at) / 60) || 'm ago'
        WHEN meta_ads.present() - success.finished_at < interval '2 days'
            THEN floor(extract(epoch FROM meta_ads.present() - success.finished_at) / 3600) || 'h ago'
        ELSE floor(extract(epoch FROM meta_ads.present() - success.finished_at) / 86400) || 'd ago'
    END AS staleness,
    extract(epoch FROM meta_ads.present() - success.finished_at)::float8 AS staleness_seconds,
    latest.started_at AS last_attempt_at,
    latest.status AS last_status,
    latest.error_summary AS last_error,
    latest.meta_call_count_total AS last_calls,
    extract(epoch FROM latest.finished_at - latest.started_at)::float8 AS last_seconds,
    EXISTS (
        SELECT FROM pg_locks AS held
        CROSS JOIN hashtextextended('meta_ads:sync:' || account.account_id, 0) AS key
        WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
            AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND held.classid::bigint = (key >> 32) & 4294967295
            AND held.objid::bigint = key & 4294967295
    ) AS is_running,
    waiting.until AS not_before,
    waiting.what AS waiting_for,
    newest.date_start AS newest_insight_day,
    coalesce(ledger.days, 0)::int AS insight_days_fetched,
    coalesce(ledger.last_day - ledger.first_day + 1 - ledger.days, 0)::int AS insight_days_missing,
    coalesce(fetched.rows, 0)::bigint AS insight_rows,
    coalesce(campaign.total, 0) AS campaigns,
    coalesce(adset.total, 0) AS adsets,
    coalesce(ad.total, 0) AS ads,
    coalesce(campaign.active, 0) + coalesce(adset.active, 0) + coalesce(ad.active, 0) AS active,
    usage.usage_pct,
    usage.read_at AS usage_read_at,
    usage.meter AS usage_meter,
    latest.connection_id
FROM meta_ads.meta_ad_accounts AS account
-- Of each kind the newest run, if it is among the account's newest hundred; else of all, found by
-- index as the newest of each scope and status. Both say the same, and the second is asked only where
-- the first is empty: an account that failed for a year has that many runs to walk through.
LEFT JOIN LATERAL (
    (
        SELECT finished_at FROM (
            SELECT scope, status, started_at, finished_at FROM meta_ads.sync_runs
            WHERE account_id = account.account_id AND meta_ads.past(started_at) IS NOT NULL
            ORDER BY started_at DESC LIMIT 100
        ) AS recent
        WHERE status = 'success' AND NOT string_to_array(scope, ',')
            <@ ARRAY['creatives', 'activities', 'recommendations', 'custom_conversions',
                'custom_audiences', 'images', 'insights_hourly', 'insights_breakdown', 'custom_reports', 'by_id']
        ORDER BY started_at DESC LIMIT 1
    )
    UNION ALL
    (
        SELECT finished_at FROM meta_ads.newest_runs(account.account_id)
        WHERE status = 'success' AND NOT string_to_array(scope, ',')
            <@ ARRAY['creatives', 'activities', 'recommendations', 'custom_conversions',
                'custom_audiences', 'images', 'insights_hourly', 'insights_breakdown', 'custom_reports', 'by_id']
        ORDER BY started_at DESC LIMIT 1
    )
    LIMIT 1
) AS success ON true
LEFT JOIN LATERAL (
    (
        SELECT finished_at FROM (
            SELECT scope, status, started_at, finished_at FROM meta_ads.sync_runs
            WHERE account_id = account.account_id AND meta_ads.past(started_at) IS NOT NULL
            ORDER BY started_at DESC LIMIT 100
        ) AS recent
        WHERE status = 'success'
            AND string_to_array(scope, ',') @> ARRAY['campaigns', 'adsets', 'ads']
        ORDER BY started_at DESC LIMIT 1
    )
    UNION ALL
    (
        SELECT finished_at FROM meta_ads.newest_runs(account.account_id)
        WHERE status = 'success'
            AND string_to_array(scope, ',') @> ARRAY['campaigns', 'adsets', 'ads']
        ORDER BY started_at DESC LIMIT 1
    )
    LIMIT 1
) AS entities_run ON true
LEFT JOIN LATERAL (
    (
        SELECT finished_at FROM (
            SELECT scope, status, started_at, finished_at FROM meta_ads.sync_runs
            WHERE account_id = account.account_id AND meta_ads.past(started_at) IS NOT NULL
            ORDER BY started_at DESC LIMIT 100
        ) AS recent
        WHERE status = 'success' AND string_to_array(scope, ',') @> ARRAY['insights']
        ORDER BY started_at DESC LIMIT 1
    )
    UNION ALL
    (
        SELECT finished_at FROM meta_ads.newest_runs(account.account_id)
        WHERE status = 'success' AND string_to_array(scope, ',') @> ARRAY['insights']
        ORDER BY started_at DESC LIMIT 1
    )
    LIMIT 1
) AS insights_run ON true
LEFT JOIN LATERAL (
    (
        SELECT started_at, finished_at, status, error_summary, meta_call_count_total, not_before,
            connection_id, app_key
        FROM (
            SELECT scope, status, started_at, finished_at, error_summary, meta_call_count_total,
                not_before, connection_id, app_key
            FROM meta_ads.sync_runs
            WHERE account_id = account.account_id AND meta_ads.past(started_at) IS NOT NULL
            ORDER BY started_at DESC LIMIT 100
        ) AS recent
        WHERE status <> 'refused' AND NOT string_to_array(scope, ',')
            <@ ARRAY['creatives', 'activities', 'recommendations', 'custom_conversions',
                'custom_audiences', 'images', 'insights_hourly', 'insights_breakdown', 'custom_reports', 'by_id']
        ORDER BY started_at DESC LIMIT 1
    )
    UNION ALL
    (
        SELECT started_at, finished_at, status, error_summary, meta_call_count_total, not_before,
            connection_id, app_key
        FROM meta_ads.newest_runs(account.account_id)
        WHERE status <> 'refused' AND NOT string_to_array(scope, ',')
            <@ ARRAY['creatives', 'activities', 'recommendations', 'custom_conversions',
                'custom_audiences', 'images', 'insights_hourly', 'insights_breakdown', 'custom_reports', 'by_id']
        ORDER BY started_at DESC LIMIT 1
    )
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT until, what
    FROM (
        SELECT latest.not_before AS until, latest.error_summary AS what
        UNION ALL
        -- The governor's words (governor/decision.py), for a block nobody of us has run into yet.
        SELECT regain_at, format(
            '%s stopped until %s UTC because %s is at %s %% (read %s)',
            account.account_id,
            to_char(regain_at, CASE
                WHEN regain_at::date = meta_ads.present()::date THEN '' ELSE 'YYYY-MM-DD '
            END || 'HH24:MI'),
            CASE scope
                WHEN 'app' THEN app.words
                WHEN 'insights_app' THEN app.words || '''s insights throttle'
                WHEN 'insights_account' THEN 'the account''s insights throttle'
                ELSE coalesce(nullif(use_case, ''), 'the account')
            END,
            round(usage_pct),
            to_char(read_at, CASE
                WHEN read_at::date = meta_ads.present()::date THEN '' ELSE 'YYYY-MM-DD '
            END || 'HH24:MI')
        )
        FROM meta_ads.usage_readings
        CROSS JOIN LATERAL (
            SELECT CASE key WHEN 'app' THEN 'the app' ELSE 'app ' || substr(key, 5) END AS words
        ) AS app
        WHERE key IN (account.account_id, coalesce(latest.app_key, 'app'))
            -- This header always says when the score is 0 again: only a full score is a block.
            AND (source IS DISTINCT FROM 'x-ad-account-usage' OR usage_pct >= 100)
    ) AS reason
    WHERE until > meta_ads.present()
    ORDER BY until DESC, what LIMIT 1
) AS waiting ON true
LEFT JOIN LATERAL (
    SELECT date_start FROM meta_ads.meta_insights
    WHERE account_id = account.account_id AND entity_type = 'ad'
    ORDER BY date_start DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    -- By itself it is told from an index alone; rows are added up for those who ask for them.
    SELECT count(*) AS days, min(date_start) AS first_day, max(date_start) AS last_day
    FROM meta_ads.sync_windows
    WHERE account_id = account.account_id AND dataset = 'insights_ad'
) AS ledger ON true
LEFT JOIN LATERAL (
    SELECT sum(rows) AS rows FROM meta_ads.sync_windows
    WHERE account_id = account.account_id AND dataset = 'insights_ad'
) AS fetched ON true
LEFT JOIN LATERAL (
    SELECT usage_pct::float8 AS usage_pct, read_at,
        concat_ws(' ', scope, nullif(use_case, '')) AS meter
    FROM meta_ads.usage_readings
    WHERE key = account.account_id AND read_at > meta_ads.present() - interval '1 hour'
    ORDER BY usage_pct DESC, read_at DESC LIMIT 1
) AS usage ON true
LEFT JOIN (
    SELECT account_id, count(*) AS total,
        count(*) FILTER (WHERE effective_status IN ('ACTIVE', 'WITH_ISSUES')) AS active
    FROM meta_ads.meta_campaigns GROUP BY account_id
) AS campaign ON campaign.account_id = account.account_id
LEFT JOIN (
    SELECT account_id, count(*) AS total,
        count(*) FILTER (WHERE effective_status IN ('ACTIVE', 'WITH_ISSUES')) AS active
    FROM meta_ads.meta_adsets GROUP BY account_id
) AS adset ON adset.account_id = account.account_id
LEFT JOIN (
    SELECT account_id, count(*) AS total,
        count(*) FILTER (WHERE effective_status IN ('ACTIVE', 'WITH_ISSUES')) AS active
    FROM meta_ads.meta_ads GROUP BY account_id
) AS ad ON ad.account_id = account.account_id
