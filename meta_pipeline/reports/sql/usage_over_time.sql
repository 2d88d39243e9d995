-- title: Usage over time
-- question: How full were Meta's limits, hour by hour, and how near to where the governor stops?
-- minimum: 2
-- at: Start of the slot: seconds to hours wide, so that the period fits a picture
-- scope: app; ads_management or ads_insights (an account's use case); score; insights throttle
-- usage_pct: Highest usage any account read in the slot
-- observations: Answers that carried a reading
WITH extent AS (
    SELECT min(hour) AS since, max(hour) AS until, max(hour) - min(hour) AS width
    FROM meta_ads.meta_api_hours
    WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
),
slot AS (
    -- Up to six hours are read from the log itself, second by second where it is short.
    SELECT extent.*, CASE
        WHEN width >= interval '60 days' THEN interval '1 day'
        WHEN width >= interval '10 days' THEN interval '6 hours'
        WHEN width >= interval '6 hours' THEN interval '1 hour'
        WHEN width >= interval '1 hour' THEN interval '2 minutes'
        ELSE (
            SELECT CASE WHEN max("timestamp") - min("timestamp") > interval '2 minutes'
                THEN interval '30 seconds' ELSE interval '1 second' END
            FROM meta_ads.meta_api_logs
            WHERE "timestamp" >= extent.since AND extent.width < interval '1 hour'
        )
    END AS step
    FROM extent
),
reading AS (
    SELECT date_bin(slot.step, total.hour, slot.since) AS at, total.calls, total.endpoint_key,
        app_pct, account_pct, use_case_pct, greatest(insights_app_pct, insights_account_pct)
            AS insights_pct
    FROM slot
    JOIN meta_ads.meta_api_hours AS total ON total.hour >= slot.since
    WHERE slot.width >= interval '6 hours'
    UNION ALL
    SELECT date_bin(slot.step, log."timestamp", slot.since), 1, log.endpoint_key,
        app_pct, account_pct, use_case_pct, greatest(insights_app_pct, insights_account_pct)
    FROM slot
    JOIN meta_ads.meta_api_logs AS log ON log."timestamp" >= slot.since
    CROSS JOIN LATERAL meta_ads.usage_of(
        log.usage_headers, meta_ads.use_case_of(log.endpoint_key)
    ) AS usage
    WHERE slot.width < interval '6 hours'
)
SELECT at, scope, max(usage_pct) AS usage_pct, sum(calls)::bigint AS observations
FROM reading
CROSS JOIN LATERAL (
    VALUES ('app', app_pct), ('score', account_pct), ('insights throttle', insights_pct),
        (meta_ads.use_case_of(endpoint_key), use_case_pct)
) AS meter (scope, usage_pct)
WHERE usage_pct IS NOT NULL
GROUP BY at, scope
ORDER BY at, scope
