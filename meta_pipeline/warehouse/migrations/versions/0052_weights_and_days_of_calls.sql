-- What calls cost is learned once an hour for all, and kept for each day, app and account.

CREATE TABLE meta_ads.meta_api_days (
    day DATE NOT NULL,
    app_key TEXT NOT NULL,
    account_id TEXT NOT NULL,
    weighted_cost NUMERIC NOT NULL,
    CONSTRAINT meta_api_days_pkey PRIMARY KEY (day, app_key, account_id)
);

COMMENT ON TABLE meta_ads.meta_api_days IS 'One row per day, app and ad account: what its calls cost; what the day''s budgets go by';

COMMENT ON COLUMN meta_ads.meta_api_days.day IS 'Day, UTC';

COMMENT ON COLUMN meta_ads.meta_api_days.app_key IS 'App whose meters they moved: app, or app_<id>';

COMMENT ON COLUMN meta_ads.meta_api_days.account_id IS 'Ad account, as act_<number>; empty for calls of none';

COMMENT ON COLUMN meta_ads.meta_api_days.weighted_cost IS 'Cost by the configured weights, added up';

CREATE TABLE meta_ads.call_weights (
    endpoint_key TEXT NOT NULL,
    params_hash TEXT NOT NULL,
    query_shape TEXT,
    accounts BIGINT NOT NULL,
    observations BIGINT NOT NULL,
    observed_weight NUMERIC,
    learned_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT call_weights_pkey PRIMARY KEY (endpoint_key, params_hash)
);

COMMENT ON TABLE meta_ads.call_weights IS 'One row per query that call_cost saw within 7 days: what plans are priced by, an hour at most';

COMMENT ON COLUMN meta_ads.call_weights.endpoint_key IS 'Endpoint';

COMMENT ON COLUMN meta_ads.call_weights.params_hash IS 'Hash of the query shape, empty when not known';

COMMENT ON COLUMN meta_ads.call_weights.query_shape IS 'The query in words';

COMMENT ON COLUMN meta_ads.call_weights.accounts IS 'Ad accounts that were asked';

COMMENT ON COLUMN meta_ads.call_weights.observations IS 'Attempts whose movements were compared';

COMMENT ON COLUMN meta_ads.call_weights.observed_weight IS 'What they turned out to cost; null: too few to say';

COMMENT ON COLUMN meta_ads.call_weights.learned_at IS 'When call_cost said so; asked again an hour later';

-- A row of each account: in one of the app all that log would wait for each other.
CREATE OR REPLACE FUNCTION meta_ads.total_api_logs() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM meta_ads.add_api_totals(array_agg(id)) FROM added HAVING count(*) > 0;

    INSERT INTO meta_ads.meta_api_days AS known (day, app_key, account_id, weighted_cost)
    SELECT
        ("timestamp" AT TIME ZONE 'UTC')::date AS day,
        coalesce(app_key, 'app') AS app_key,
        coalesce(account_id, '') AS account_id,
        coalesce(sum(weighted_cost), 0)
    FROM added
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3  -- one order for everybody: two writers cannot wait for each other
    ON CONFLICT (day, app_key, account_id) DO UPDATE SET
        weighted_cost = known.weighted_cost + excluded.weighted_cost;
    RETURN NULL;
END
$$;

-- What was spent today before this revision; nobody logs meanwhile, whose calls would be left out.
LOCK TABLE meta_ads.meta_api_logs IN SHARE MODE;

INSERT INTO meta_ads.meta_api_days (day, app_key, account_id, weighted_cost)
SELECT (hour AT TIME ZONE 'UTC')::date, app_key, account_id, sum(weighted_cost)
FROM meta_ads.meta_api_hours
WHERE hour >= date_trunc('day', now(), 'UTC')
GROUP BY 1, 2, 3;
