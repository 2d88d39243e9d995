-- title: Burst against sustained use
-- question: At which hours do calls come in bursts, and how far above the usual are they?
-- minimum: 60
-- hour_utc: Hour of the day in UTC
-- calls: Attempts in that hour, over all days (at most the newest seven of the period)
-- sustained_per_minute: Attempts per minute, on average over the hour
-- burst_per_minute: Attempts in its busiest minute
-- burst_factor: The one divided by the other; 1 is perfectly even
-- throttled_calls: Attempts Meta refused for a limit in that hour
-- observations: Attempts
SELECT
    extract(hour FROM minute AT TIME ZONE 'UTC')::int AS hour_utc,
    sum(calls)::bigint AS calls,
    round(sum(calls) / (60 * count(DISTINCT date_trunc('hour', minute, 'UTC'))), 2)
        AS sustained_per_minute,
    max(calls) AS burst_per_minute,
    round(
        max(calls) * 60 * count(DISTINCT date_trunc('hour', minute, 'UTC')) / sum(calls), 1
    ) AS burst_factor,
    sum(throttled_calls)::bigint AS throttled_calls,
    sum(calls)::bigint AS observations
FROM (
    SELECT
        date_trunc('minute', "timestamp", 'UTC') AS minute,
        count(*) AS calls,
        count(*) FILTER (WHERE throttled) AS throttled_calls
    FROM meta_ads.meta_api_logs
    WHERE "timestamp" >= greatest(meta_ads.report_since(), meta_ads.present() - interval '7 days')
    GROUP BY 1
) AS minutes
GROUP BY 1
ORDER BY 1
