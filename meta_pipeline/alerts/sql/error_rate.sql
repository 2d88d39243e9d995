-- The share of the last hour's attempts that failed for another reason than a limit, if too high.
SELECT *
FROM (
    SELECT
        min("timestamp") FILTER (WHERE failed) AS since,
        100.0 * count(*) FILTER (WHERE failed) / nullif(count(*), 0)::float8 AS failed_pct,
        count(*) AS calls,
        mode() WITHIN GROUP (ORDER BY what) FILTER (WHERE failed) AS most
    FROM (
        SELECT "timestamp", endpoint_key, NOT throttled AND status_code IS DISTINCT FROM 200 AS failed,
            endpoint_key || ', ' || coalesce(
                'Meta''s ' || (error_code::text || coalesce('/' || error_subcode, '')),
                'HTTP ' || status_code,
                'no answer'
            ) AS what
        FROM meta_ads.meta_api_logs
        WHERE "timestamp" > meta_ads.present() - interval '1 hour'
    ) AS attempt
) AS hour
WHERE calls >= %(calls_at_least)s AND failed_pct > %(error_rate_pct)s
