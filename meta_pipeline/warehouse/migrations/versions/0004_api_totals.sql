-- The API log added up by hour, by a trigger: reports read totals, never ten million rows.

CREATE TABLE meta_ads.meta_api_hours (
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    account_id TEXT NOT NULL,
    endpoint_key TEXT NOT NULL,
    params_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    query_shape TEXT,
    calls BIGINT NOT NULL,
    throttled_calls BIGINT NOT NULL,
    retried_calls BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    latency_ms NUMERIC NOT NULL,
    weighted_cost NUMERIC NOT NULL,
    app_pct NUMERIC,
    account_pct NUMERIC,
    use_case_pct NUMERIC,
    insights_app_pct NUMERIC,
    insights_account_pct NUMERIC,
    observations BIGINT NOT NULL,
    moved_pct NUMERIC NOT NULL,
    moved_pct_squared NUMERIC NOT NULL,
    account_moved_pct NUMERIC NOT NULL,
    use_case_moved_pct NUMERIC NOT NULL,
    insights_moved_pct NUMERIC NOT NULL,
    CONSTRAINT meta_api_hours_pkey PRIMARY KEY (hour, account_id, endpoint_key, params_hash, outcome)
);

COMMENT ON TABLE meta_ads.meta_api_hours IS 'One row per hour, ad account, endpoint, query shape and outcome: meta_api_logs added up';

COMMENT ON COLUMN meta_ads.meta_api_hours.hour IS 'Start of the hour';

COMMENT ON COLUMN meta_ads.meta_api_hours.account_id IS 'Ad account, as act_<number>; empty for calls of none';

COMMENT ON COLUMN meta_ads.meta_api_hours.endpoint_key IS 'Endpoint';

COMMENT ON COLUMN meta_ads.meta_api_hours.params_hash IS 'Hash of the query shape, empty when not known';

COMMENT ON COLUMN meta_ads.meta_api_hours.outcome IS 'ok, Meta''s code or code/subcode, HTTP <status>, or no answer';

COMMENT ON COLUMN meta_ads.meta_api_hours.query_shape IS 'The query in words';

COMMENT ON COLUMN meta_ads.meta_api_hours.calls IS 'Attempts';

COMMENT ON COLUMN meta_ads.meta_api_hours.throttled_calls IS 'Attempts Meta refused for a limit';

COMMENT ON COLUMN meta_ads.meta_api_hours.retried_calls IS 'Attempts that repeated a failed one';

COMMENT ON COLUMN meta_ads.meta_api_hours.rows IS 'Rows in the answers';

COMMENT ON COLUMN meta_ads.meta_api_hours.response_bytes IS 'Size of the answers';

COMMENT ON COLUMN meta_ads.meta_api_hours.latency_ms IS 'Latency added up';

COMMENT ON COLUMN meta_ads.meta_api_hours.weighted_cost IS 'Cost by the configured weights, added up';

COMMENT ON COLUMN meta_ads.meta_api_hours.app_pct IS 'Highest usage of the app that was read';

COMMENT ON COLUMN meta_ads.meta_api_hours.account_pct IS 'Highest score of the ad account';

COMMENT ON COLUMN meta_ads.meta_api_hours.use_case_pct IS 'Highest usage of the calls'' own use case';

COMMENT ON COLUMN meta_ads.meta_api_hours.insights_app_pct IS 'Highest insights throttle of the app';

COMMENT ON COLUMN meta_ads.meta_api_hours.insights_account_pct IS 'Highest insights throttle of the ad account';

COMMENT ON COLUMN meta_ads.meta_api_hours.observations IS 'Attempts whose movement of a meter could be seen';

COMMENT ON COLUMN meta_ads.meta_api_hours.moved_pct IS 'Movement of the meter that moved most, added up';

COMMENT ON COLUMN meta_ads.meta_api_hours.moved_pct_squared IS 'Squares of that movement, added up';

COMMENT ON COLUMN meta_ads.meta_api_hours.account_moved_pct IS 'Movement of the account''s score, added up';

COMMENT ON COLUMN meta_ads.meta_api_hours.use_case_moved_pct IS 'Movement of the use case, added up';

COMMENT ON COLUMN meta_ads.meta_api_hours.insights_moved_pct IS 'Movement of the insights throttle, added up';

CREATE TABLE meta_ads.meta_api_latency_hours (
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    endpoint_key TEXT NOT NULL,
    step INTEGER NOT NULL,
    calls BIGINT NOT NULL,
    CONSTRAINT meta_api_latency_hours_pkey PRIMARY KEY (hour, endpoint_key, step)
);

COMMENT ON TABLE meta_ads.meta_api_latency_hours IS 'One row per hour, endpoint and latency step: a histogram of meta_api_logs.latency_ms';

COMMENT ON COLUMN meta_ads.meta_api_latency_hours.hour IS 'Start of the hour';

COMMENT ON COLUMN meta_ads.meta_api_latency_hours.endpoint_key IS 'Endpoint';

COMMENT ON COLUMN meta_ads.meta_api_latency_hours.step IS 'Step s holds latencies from 1.05^s to 1.05^(s+1) ms';

COMMENT ON COLUMN meta_ads.meta_api_latency_hours.calls IS 'Answered attempts';

CREATE TABLE meta_ads.retired_totals (
    counter TEXT NOT NULL,
    label TEXT NOT NULL,
    total NUMERIC NOT NULL,
    CONSTRAINT retired_totals_pkey PRIMARY KEY (counter, label)
);

COMMENT ON TABLE meta_ads.retired_totals IS 'One row per counter and label: what retention has removed, so that counters never fall';

COMMENT ON COLUMN meta_ads.retired_totals.counter IS 'Name of the counter';

COMMENT ON COLUMN meta_ads.retired_totals.label IS 'Value of its label, or empty';

COMMENT ON COLUMN meta_ads.retired_totals.total IS 'Sum over all removed rows';

CREATE INDEX insights_changes_read_at_idx ON meta_ads.insights_changes USING brin (read_at);


CREATE FUNCTION meta_ads.report_since() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN meta_ads.present() - make_interval(
    secs => coalesce(nullif(current_setting('meta_ads.report_days', true), '')::numeric, 7) * 86400
);

COMMENT ON FUNCTION meta_ads.report_since() IS
    'Where the period of reports begins: 7 days ago, or what SET meta_ads.report_days says';

CREATE FUNCTION meta_ads.wait_reason(sentence text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN sentence LIKE '%Meta refuse%' THEN 'blocked'
    WHEN sentence LIKE '% of its % a day left%' THEN 'budget'
    ELSE 'usage'
END;

COMMENT ON FUNCTION meta_ads.wait_reason(text) IS
    'Why a throttled sync waits: blocked (Meta refuses calls), budget, or usage over a threshold';

CREATE FUNCTION meta_ads.pct_or_null(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~ '^ *[0-9]{1,9}(\.[0-9]{1,9})?%? *$' THEN btrim(value, ' %')::numeric END;

COMMENT ON FUNCTION meta_ads.pct_or_null(text) IS
    'A percentage as Meta may write it; null for anything else';

CREATE FUNCTION meta_ads.use_case_of(endpoint_key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN endpoint_key ~ '^(insights|report)' THEN 'ads_insights' ELSE 'ads_management'
END;

COMMENT ON FUNCTION meta_ads.use_case_of(text) IS
    'The use case of Meta''s limits that calls of an endpoint draw on';

-- Meta's counters are percentages (call_count too), rolling over an hour. A header that is not
-- JSON says nothing and stops nothing: the log goes on. PL/pgSQL because this runs for every call:
-- ten times as fast as SQL functions inside one another.
CREATE FUNCTION meta_ads.usage_of(
    headers jsonb, use_case text,
    OUT app_pct numeric, OUT account_pct numeric, OUT use_case_pct numeric,
    OUT insights_app_pct numeric, OUT insights_account_pct numeric
)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    document jsonb;
    entry jsonb;
    pct numeric;
    other_pct numeric;
BEGIN
    IF headers IS NULL OR headers = '{}' THEN
        RETURN;
    END IF;
    document := headers ->> 'x-app-usage';
    app_pct := greatest(
        meta_ads.pct_or_null(document ->> 'call_count'),
        meta_ads.pct_or_null(document ->> 'total_time'),
        meta_ads.pct_or_null(document ->> 'total_cputime')
    );
    document := headers ->> 'x-ad-account-usage';
    account_pct := meta_ads.pct_or_null(document ->> 'acc_id_util_pct');
    document := headers ->> 'x-fb-ads-insights-throttle';
    insights_app_pct := meta_ads.pct_or_null(document ->> 'app_id_util_pct');
    insights_account_pct := meta_ads.pct_or_null(document ->> 'acc_id_util_pct');
    document := headers ->> 'x-business-use-case-usage';
    IF document IS NULL THEN
        RETURN;
    END IF;
    FOR entry IN SELECT jsonb_path_query(document, '$.*[*]', silent => true) LOOP
        pct := greatest(
            meta_ads.pct_or_null(entry ->> 'call_count'),
            meta_ads.pct_or_null(entry ->> 'total_time'),
            meta_ads.pct_or_null(entry ->> 'total_cputime')
        );
        IF entry ->> 'type' = use_case THEN
            use_case_pct := greatest(use_case_pct, pct);
        ELSE
            other_pct := greatest(other_pct, pct);
        END IF;
    END LOOP;
    use_case_pct := coalesce(use_case_pct, other_pct);
EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
    RETURN;
END
$$;

COMMENT ON FUNCTION meta_ads.usage_of(jsonb, text) IS
    'Usage headers as percentages; of the use cases that one, else the fullest';

-- A call's movement is the rise of a meter since the account's previous reading of the same use
-- case, at most a minute old. A fall is old calls leaving the rolling hour, not a price.
CREATE FUNCTION meta_ads.add_api_totals(ids bigint[]) RETURNS void
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
        coalesce(sum(insights_rise), 0)
    FROM risen
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5  -- one order for everybody: two writers cannot wait for each other
    ON CONFLICT (hour, account_id, endpoint_key, params_hash, outcome) DO UPDATE SET
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

COMMENT ON FUNCTION meta_ads.add_api_totals(bigint[]) IS
    'Adds rows of meta_api_logs to meta_api_hours and meta_api_latency_hours; each id once only';

CREATE FUNCTION meta_ads.total_api_logs() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM meta_ads.add_api_totals(array_agg(id)) FROM added HAVING count(*) > 0;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION meta_ads.total_api_logs() IS 'Keeps the totals of meta_api_logs';

CREATE TRIGGER meta_api_logs_totals AFTER INSERT ON meta_ads.meta_api_logs
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION meta_ads.total_api_logs();

-- What was logged before this revision.
DO $$
DECLARE
    slice bigint[];
BEGIN
    FOR slice IN
        SELECT array_agg(id) FROM (
            SELECT id, (row_number() OVER (ORDER BY id) - 1) / 50000 AS number
            FROM meta_ads.meta_api_logs
        ) AS logged GROUP BY number ORDER BY number
    LOOP
        PERFORM meta_ads.add_api_totals(slice);
    END LOOP;
END
$$;
