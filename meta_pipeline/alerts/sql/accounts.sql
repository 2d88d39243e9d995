-- What is wrong with each ad account, at most one row an account: lost, failing, throttled or stale.
-- Of each account's last runs only, so that the cost is the number of accounts and no more.
WITH /* late */
SELECT account_id, name, kind, error, coalesce(since, meta_ads.present()) AS since, is_error
FROM (
    SELECT
        account.account_id,
        account.name,
        CASE
            WHEN NOT account.is_accessible THEN 'lost'
            WHEN runs.failures >= %(failures)s THEN 'failing'
            WHEN meta_ads.present() - runs.throttled_since > %(throttled)s THEN 'throttled'
            WHEN account.is_late THEN 'stale'
        END AS kind,
        runs.error,
        CASE
            WHEN NOT account.is_accessible THEN account.last_listed_at
            WHEN runs.failures >= %(failures)s THEN runs.failing_since
            WHEN meta_ads.present() - runs.throttled_since > %(throttled)s THEN runs.throttled_since
            ELSE account.late_since
        END AS since,
        coalesce(account.is_accessible AND
            (runs.failures >= %(failures)s OR account.is_very_late), false) AS is_error
    FROM account
    LEFT JOIN LATERAL (
        -- Structure and numbers have rows of their own: one going well does not excuse the other.
        SELECT
            max(failures) AS failures,
            min(failing_since) FILTER (WHERE failures >= %(failures)s) AS failing_since,
            min(throttled_since) AS throttled_since,
            (array_agg(error ORDER BY failures DESC))[1] AS error
        FROM (
            SELECT
                count(*) FILTER (WHERE status = 'fail' AND is_after) AS failures,
                min(started_at) FILTER (WHERE status = 'fail' AND is_after) AS failing_since,
                min(started_at) FILTER (WHERE status = 'throttled' AND is_after) AS throttled_since,
                (array_agg(error_summary ORDER BY started_at DESC)
                    FILTER (WHERE status = 'fail' AND is_after))[1] AS error
            FROM (
                SELECT *, started_at > coalesce(max(started_at) FILTER (
                    WHERE status IN ('success', 'partial')
                ) OVER (PARTITION BY scope), '-infinity') AS is_after
                FROM (
                    SELECT scope, status, started_at, error_summary FROM meta_ads.sync_runs
                    WHERE account_id = account.account_id AND status NOT IN ('refused', 'running')
                        -- What ran in the future, by a clock ahead, comes after nothing.
                        AND meta_ads.past(started_at) IS NOT NULL
                        -- An extra that waits for quota is no news; one that fails is.
                        AND NOT (status = 'throttled' AND string_to_array(scope, ',')
                            <@ ARRAY['creatives', 'activities', 'recommendations', 'custom_conversions',
                                'custom_audiences', 'images', 'insights_hourly', 'insights_breakdown', 'custom_reports'])
                    ORDER BY started_at DESC LIMIT 20
                ) AS newest
            ) AS judged
            GROUP BY scope
        ) AS by_scope
    ) AS runs ON true
) AS judged
WHERE kind IS NOT NULL
ORDER BY account_id
