ALTER TABLE meta_ads.meta_api_logs ADD COLUMN app_key text;

COMMENT ON COLUMN meta_ads.meta_api_logs.app_key IS
    'App whose meters it moved: app, or app_<id> of another app; null before it was kept';

ALTER TABLE meta_ads.meta_api_hours ADD COLUMN app_key text NOT NULL DEFAULT 'app';

COMMENT ON COLUMN meta_ads.meta_api_hours.app_key IS
    'App whose meters they moved: app, or app_<id> of another app';

ALTER TABLE meta_ads.meta_api_hours
    DROP CONSTRAINT meta_api_hours_pkey,
    ADD CONSTRAINT meta_api_hours_pkey
        PRIMARY KEY (hour, account_id, endpoint_key, params_hash, outcome, app_key);

COMMENT ON TABLE meta_ads.meta_api_hours IS
    'One row per hour, ad account, endpoint, query shape, outcome and app: meta_api_logs added up';

-- A call's movement is the rise of a meter since the account's previous reading of the same use
-- case, at most a minute old. A fall is old calls leaving the rolling hour, not a price.
CREATE OR REPLACE FUNCTION meta_ads.add_api_totals(ids bigint[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    WITH fresh AS (
        SELECT log.*, meta_ads.use_case_of(log.endpoint_key) AS use_case
        FROM unnest(ids) AS given JOIN meta_ads.meta_api_logs AS log ON log.id = given
    ),
    before AS (
        SELECT earlier.*, meta_ads.use_case_of(earlier.endpoint_key) AS use_case
        FROM (
            SELECT account_id, min("timestamp") AS first_at, min(id) AS first_id
            FROM fresh WHERE account_id IS NOT NULL GROUP BY account_id
        ) AS batch
        CROSS JOIN LATERAL (
            SELECT * FROM meta_ads.meta_api_logs AS log
            WHERE log.account_id = batch.account_id AND log.id < batch.first_id
                AND log."timestamp" BETWEEN batch.first_at - interval '1 minute' AND batch.first_at
            ORDER BY log."timestamp" DESC, log.id DESC LIMIT 20
        ) AS earlier
    ),
    read AS (
        SELECT attempt.*, usage.*
        FROM (
            SELECT *, true AS is_fresh FROM fresh UNION ALL SELECT *, false FROM before
        ) AS attempt
        CROSS JOIN LATERAL meta_ads.usage_of(attempt.usage_headers, attempt.use_case) AS usage
    ),
    moved AS (
        SELECT
            read.*,
            account_pct - lag(account_pct) OVER previous AS account_delta,
            use_case_pct - lag(use_case_pct) OVER previous AS use_case_delta,
            insights_account_pct - lag(insights_account_pct) OVER previous AS insights_delta,
            "timestamp" - lag("timestamp") OVER previous AS gap
        FROM read
        WINDOW previous AS (PARTITION BY account_id, use_case ORDER BY "timestamp", id)
    ),
    risen AS (
        SELECT
            moved.*,
            CASE WHEN is_near AND account_delta >= 0 THEN account_delta END AS account_rise,
            CASE WHEN is_near AND use_case_delta >= 0 THEN use_case_delta END AS use_case_rise,
            CASE WHEN is_near AND insights_delta >= 0 THEN insights_delta END AS insights_rise
        FROM (
            SELECT *, account_id IS NOT NULL AND gap <= interval '1 minute' AS is_near FROM moved
        ) AS moved
        WHERE is_fresh
    )
    INSERT INTO meta_ads.meta_api_hours AS known
    SELECT
        date_trunc('hour', "timestamp", 'UTC') AS hour,
        coalesce(account_id, '') AS account_id,
        endpoint_key,
        coalesce(params_hash, '') AS params_hash,
        CASE
            WHEN status_code IS NULL THEN 'no answer'
            WHEN error_code IS NOT NULL THEN concat_ws('/', error_code, error_subcode)
            WHEN status_code NOT BETWEEN 200 AND 299 THEN 'HTTP ' || status_code
            WHEN error_message IS NOT NULL THEN 'not understood'
            ELSE 'ok'
        END AS outcome,
        max(query_shape),
        count(*),
        count(*) FILTER (WHERE throttled),
        count(*) FILTER (WHERE retry_count > 0),
        coalesce(sum(rows), 0),
        coalesce(sum(response_size_bytes), 0),
        coalesce(sum(latency_ms), 0),
        coalesce(sum(weighted_cost), 0),
        max(app_pct),
        max(account_pct),
        max(use_case_pct),
        max(insights_app_pct),
        max(insights_account_pct),
        count(greatest(account_rise, use_case_rise, insights_rise)),
        coalesce(sum(greatest(account_rise, use_case_rise, insights_rise)), 0),
        coalesce(sum(greatest(account_rise, use_case_rise, insights_rise) ^ 2), 0),
        coalesce(sum(account_rise), 0),
        coalesce(sum(use_case_rise), 0),
        coalesce(sum(insights_rise), 0),
        coalesce(app_key, 'app')
    FROM risen
    GROUP BY 1, 2, 3, 4, 5, 25
    ORDER BY 1, 2, 3, 4, 5, 25  -- one order for everybody: two writers cannot wait for each other
    ON CONFLICT (hour, account_id, endpoint_key, params_hash, outcome, app_key) DO UPDATE SET
        calls = known.calls + excluded.calls,
        throttled_calls = known.throttled_calls + excluded.throttled_calls,
        retried_calls = known.retried_calls + excluded.retried_calls,
        rows = known.rows + excluded.rows,
        response_bytes = known.response_bytes + excluded.response_bytes,
        latency_ms = known.latency_ms + excluded.latency_ms,
        weighted_cost = known.weighted_cost + excluded.weighted_cost,
        app_pct = greatest(known.app_pct, excluded.app_pct),
        account_pct = greatest(known.account_pct, excluded.account_pct),
        use_case_pct = greatest(known.use_case_pct, excluded.use_case_pct),
        insights_app_pct = greatest(known.insights_app_pct, excluded.insights_app_pct),
        insights_account_pct = greatest(known.insights_account_pct, excluded.insights_account_pct),
        observations = known.observations + excluded.observations,
        moved_pct = known.moved_pct + excluded.moved_pct,
        moved_pct_squared = known.moved_pct_squared + excluded.moved_pct_squared,
        account_moved_pct = known.account_moved_pct + excluded.account_moved_pct,
        use_case_moved_pct = known.use_case_moved_pct + excluded.use_case_moved_pct,
        insights_moved_pct = known.insights_moved_pct + excluded.insights_moved_pct;

    INSERT INTO meta_ads.meta_api_latency_hours AS known (hour, endpoint_key, step, calls)
    SELECT
        date_trunc('hour', log."timestamp", 'UTC') AS hour,
        log.endpoint_key,
        floor(ln(least(greatest(log.latency_ms::float8, 1), 1e9)) / ln(1.05::float8)) AS step,
        count(*)
    FROM unnest(ids) AS given JOIN meta_ads.meta_api_logs AS log ON log.id = given
    WHERE log.status_code IS NOT NULL AND log.latency_ms IS NOT NULL
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT (hour, endpoint_key, step) DO UPDATE SET calls = known.calls + excluded.calls;
END
$$;
