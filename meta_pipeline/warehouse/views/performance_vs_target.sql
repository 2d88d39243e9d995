-- One row per account and KPI: the metric over the last 7 and 30 whole days in the account's time
-- zone, as the dictionary counts it for the account today, against its target
-- account_id: Ad account, as act_<number>
-- account_name: Name of the ad account
-- metric_key: Metric of the dictionary
-- display_name: Its name for people
-- is_primary: True for the one metric the account is judged by
-- unit: currency, count, people, percent or ratio
-- currency: Currency of amounts
-- better: higher or lower: which way the target is met
-- target: Value to reach; null to watch it without a target
-- value_7d: Value over the last 7 whole days; null where it cannot be computed, as from amounts of
-- which some are stored in another currency
-- value_30d: Value over the last 30 whole days
-- distance_7d_pct: How much better than the target, in percent of it; below zero is worse
-- distance_30d_pct: The same over 30 days
-- verdict_7d: met, missed, no target or unknown
-- verdict_30d: The same over 30 days
-- note: Who set the target and why
WITH steered AS MATERIALIZED ( -- so that each account's day is computed once
    SELECT
        kpi.*,
        account.name AS account_name,
        account.currency,
        meta_ads.day_in_zone(meta_ads.present(), account.timezone_name) AS today
    FROM meta_ads.account_kpis AS kpi
    LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
),

defined AS (
    SELECT
        steered.*,
        metric.display_name,
        metric.unit,
        metric.better,
        metric.kind,
        coalesce(special.definition ->> 'numerator', metric.numerator) AS numerator,
        coalesce(special.definition ->> 'denominator', metric.denominator) AS denominator,
        coalesce((special.definition ->> 'scale')::numeric, metric.scale) AS scale
    FROM steered
    LEFT JOIN meta_ads.metric_definitions AS metric USING (metric_key)
    LEFT JOIN meta_ads.metric_overrides AS special
        ON special.account_id = steered.account_id
        AND special.metric_key = steered.metric_key
        AND steered.today BETWEEN special.valid_from AND coalesce(special.valid_until, 'infinity')
),

-- What results are unknown of has no cost of one.
sided AS (
    SELECT
        defined.*,
        CASE
            WHEN numerator = 'spend' AND denominator = 'results' THEN 'spend with results'
            ELSE numerator
        END AS above
    FROM defined
),

valued AS (
    SELECT
        defined.*,
        nullif(CASE defined.kind
            WHEN 'sum' THEN CASE defined.metric_key
                WHEN 'results' THEN (total.week ->> 'results')::numeric
                ELSE coalesce((total.week ->> defined.metric_key)::numeric, 0)
            END
            WHEN 'ratio' THEN round(
                defined.scale * coalesce((total.week ->> defined.above)::numeric, 0)
                / nullif((total.week ->> defined.denominator)::numeric, 0), 6
            )
        END, 'NaN') AS value_7d,
        nullif(CASE defined.kind
            WHEN 'sum' THEN CASE defined.metric_key
                WHEN 'results' THEN (total.month ->> 'results')::numeric
                ELSE coalesce((total.month ->> defined.metric_key)::numeric, 0)
            END
            WHEN 'ratio' THEN round(
                defined.scale * coalesce((total.month ->> defined.above)::numeric, 0)
                / nullif((total.month ->> defined.denominator)::numeric, 0), 6
            )
        END, 'NaN') AS value_30d
    FROM sided AS defined
    CROSS JOIN LATERAL (
        SELECT
            coalesce(other.week, '{}') || jsonb_build_object(
                'spend', coalesce(sum(money.spend) FILTER (WHERE week.is_last), 0),
                'revenue', coalesce(sum(money.revenue) FILTER (WHERE week.is_last), 0),
                'impressions', coalesce(sum(made.impressions) FILTER (WHERE week.is_last), 0),
                'clicks', coalesce(sum(made.clicks) FILTER (WHERE week.is_last), 0),
                'inline_link_clicks', coalesce(sum(made.inline_link_clicks) FILTER (WHERE week.is_last), 0),
                'link_clicks', coalesce(sum(made.link_clicks) FILTER (WHERE week.is_last), 0),
                'landing_page_views', coalesce(sum(made.landing_page_views) FILTER (WHERE week.is_last), 0),
                'video_views', coalesce(sum(made.video_views) FILTER (WHERE week.is_last), 0),
                'thruplays', coalesce(sum(made.thruplays) FILTER (WHERE week.is_last), 0),
                'post_engagements', coalesce(sum(made.post_engagements) FILTER (WHERE week.is_last), 0),
                'leads', coalesce(sum(made.leads) FILTER (WHERE week.is_last), 0),
                'registrations', coalesce(sum(made.registrations) FILTER (WHERE week.is_last), 0),
                'purchases', coalesce(sum(made.purchases) FILTER (WHERE week.is_last), 0),
                'add_to_carts', coalesce(sum(made.add_to_carts) FILTER (WHERE week.is_last), 0),
                'checkouts_initiated', coalesce(sum(made.checkouts_initiated) FILTER (WHERE week.is_last), 0),
                'results', CASE
                    WHEN count(*) FILTER (WHERE week.is_last) = 0 THEN 0
                    ELSE sum(made.results) FILTER (WHERE week.is_last)
                END,
                'spend with results', coalesce(sum(money.spend - made.spend_without_results)
                    FILTER (WHERE week.is_last), 0)
            ) AS week,
            coalesce(other.month, '{}') || jsonb_build_object(
                'spend', coalesce(sum(money.spend), 0),
                'revenue', coalesce(sum(money.revenue), 0),
                'impressions', coalesce(sum(made.impressions), 0),
                'clicks', coalesce(sum(made.clicks), 0),
                'inline_link_clicks', coalesce(sum(made.inline_link_clicks), 0),
                'link_clicks', coalesce(sum(made.link_clicks), 0),
                'landing_page_views', coalesce(sum(made.landing_page_views), 0),
                'video_views', coalesce(sum(made.video_views), 0),
                'thruplays', coalesce(sum(made.thruplays), 0),
                'post_engagements', coalesce(sum(made.post_engagements), 0),
                'leads', coalesce(sum(made.leads), 0),
                'registrations', coalesce(sum(made.registrations), 0),
                'purchases', coalesce(sum(made.purchases), 0),
                'add_to_carts', coalesce(sum(made.add_to_carts), 0),
                'checkouts_initiated', coalesce(sum(made.checkouts_initiated), 0),
                'results', CASE WHEN count(made.date_start) = 0 THEN 0 ELSE sum(made.results) END,
                'spend with results', coalesce(sum(money.spend - made.spend_without_results), 0)
            ) AS month
        FROM (
            SELECT
                jsonb_object_agg(by_key.key, by_key.week) AS week,
                jsonb_object_agg(by_key.key, by_key.month) AS month
            FROM (
                SELECT
                    measure.key,
                    coalesce(sum(counted.amount) FILTER (
                        WHERE made.date_start >= defined.today - 7
                    ), 0) AS week,
                    sum(counted.amount) AS month
                FROM meta_ads.campaign_rollups AS made
                CROSS JOIN LATERAL jsonb_each_text(made.other_metrics) AS measure
                LEFT JOIN meta_ads.metric_definitions AS metric
                    ON metric.metric_key = measure.key AND metric.unit = 'currency'
                CROSS JOIN LATERAL (
                    SELECT CASE
                        WHEN metric.metric_key IS NULL THEN measure.value::numeric
                        ELSE meta_ads.amount_in(defined.currency, measure.value::numeric, made.currency)
                    END AS amount
                ) AS counted
                WHERE made.account_id = defined.account_id
                    AND made.date_start BETWEEN defined.today - 30 AND defined.today - 1
                GROUP BY measure.key
            ) AS by_key
        ) AS other
        LEFT JOIN meta_ads.campaign_rollups AS made
            ON made.account_id = defined.account_id
            AND made.date_start BETWEEN defined.today - 30 AND defined.today - 1
        CROSS JOIN LATERAL (SELECT made.date_start >= defined.today - 7 AS is_last) AS week
        CROSS JOIN LATERAL (
            SELECT
                meta_ads.amount_in(defined.currency, made.spend, made.currency) AS spend,
                meta_ads.amount_in(defined.currency, made.revenue, made.currency) AS revenue
        ) AS money
        GROUP BY other.week, other.month
    ) AS total
)

SELECT
    account_id,
    account_name,
    metric_key,
    display_name,
    is_primary,
    unit,
    currency,
    better,
    target,
    value_7d,
    value_30d,
    round(
        100 * CASE better WHEN 'lower' THEN target - value_7d ELSE value_7d - target END / target, 2
    ) AS distance_7d_pct,
    round(
        100 * CASE better WHEN 'lower' THEN target - value_30d ELSE value_30d - target END / target,
        2
    ) AS distance_30d_pct,
    CASE
        WHEN target IS NULL THEN 'no target'
        WHEN value_7d IS NULL THEN 'unknown'
        WHEN better = 'lower' AND value_7d <= target THEN 'met'
        WHEN better <> 'lower' AND value_7d >= target THEN 'met'
        ELSE 'missed'
    END AS verdict_7d,
    CASE
        WHEN target IS NULL THEN 'no target'
        WHEN value_30d IS NULL THEN 'unknown'
        WHEN better = 'lower' AND value_30d <= target THEN 'met'
        WHEN better <> 'lower' AND value_30d >= target THEN 'met'
        ELSE 'missed'
    END AS verdict_30d,
    note
FROM valued
