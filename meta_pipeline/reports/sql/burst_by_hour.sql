-- title: Burst against sustained use
-- question: At which hours do calls come in bursts, and how far above the usual are they?
-- minimum: 30
-- hour_utc: Hour of the day in UTC
-- calls: Attempts in that hour, over all days (at most the newest seven of the period)
-- sustained_per_minute: Attempts per minute, on average over the hour
-- burst_per_minute: Attempts in its busiest minute
-- burst_factor: The one divided by the other; 1 is perfectly even
-- throttled_calls: Attempts Meta refused for a limit in that hour
-- observations: Attempts
WITH minute AS (
    SELECT date_bin('1 minute', "timestamp", '2000-01-01 UTC') AS minute, count(*) AS calls
    FROM meta_ads.meta_api_logs
    WHERE "timestamp" >= greatest(meta_ads.report_since(), meta_ads.present() - interval '7 days')
    GROUP BY 1
),
by_hour AS (
    SELECT date_bin('1 hour', minute, '2000-01-01 UTC') AS hour, sum(calls) AS calls,
        max(calls) AS busiest
    FROM minute
    GROUP BY 1
),
refused AS (
    SELECT hour, sum(throttled_calls) AS calls
    FROM meta_ads.meta_api_hours
    WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
    GROUP BY hour
)
SELECT
    extract(hour FROM by_hour.hour AT TIME ZONE 'UTC')::int AS hour_utc,
    sum(by_hour.calls)::bigint AS calls,
    round(sum(by_hour.calls) / (60 * count(*)), 2) AS sustained_per_minute,
    max(busiest) AS burst_per_minute,
    round(max(busiest) * 60 * count(*) / sum(by_hour.calls), 1) AS burst_factor,
    coalesce(sum(refused.calls), 0)::bigint AS throttled_calls,
    sum(by_hour.calls)::bigint AS observations
FROM by_hour
LEFT JOIN refused USING (hour)
GROUP BY 1
ORDER BY 1
