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
-- value_7d: Value over the last 7 whole days; null where it cannot be computed
-- value_30d: Value over the last 30 whole days
-- distance_7d_pct: How much better than the target, in percent of it; below zero is worse
-- distance_30d_pct: The same over 30 days
-- verdict_7d: met, missed, no target or unknown
-- verdict_30d: The same over 30 days
-- note: Who set the target and why
WITH steered AS (
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

sums AS (
    SELECT
        made.account_id,
        measure.key,
        sum(measure.amount) FILTER (WHERE made.date_start >= steered.today - 7) AS sum_7d,
        sum(measure.amount) AS sum_30d
    FROM (SELECT DISTINCT account_id, today FROM steered) AS steered
    INNER JOIN meta_ads.daily_campaign_metrics AS made
        ON made.account_id = steered.account_id
        AND made.date_start BETWEEN steered.today - 30 AND steered.today - 1
    CROSS JOIN LATERAL (
        VALUES
        ('spend', made.spend),
        ('revenue', made.revenue),
        ('impressions', made.impressions),
        ('clicks', made.clicks),
        ('inline_link_clicks', made.inline_link_clicks),
        ('link_clicks', made.link_clicks),
        ('landing_page_views', made.landing_page_views),
        ('video_views', made.video_views),
        ('thruplays', made.thruplays),
        ('post_engagements', made.post_engagements),
        ('leads', made.leads),
        ('registrations', made.registrations),
        ('purchases', made.purchases),
        ('add_to_carts', made.add_to_carts),
        ('checkouts_initiated', made.checkouts_initiated),
        ('results', made.results)
        UNION ALL
        SELECT other.key, other.value::numeric FROM jsonb_each_text(made.other_metrics) AS other
    ) AS measure (key, amount)
    GROUP BY made.account_id, measure.key
),

valued AS (
    SELECT
        defined.*,
        CASE defined.kind
            WHEN 'sum' THEN coalesce(total.sum_7d, 0)
            WHEN 'ratio' THEN round(
                defined.scale * coalesce(above.sum_7d, 0) / nullif(below.sum_7d, 0), 6
            )
        END AS value_7d,
        CASE defined.kind
            WHEN 'sum' THEN coalesce(total.sum_30d, 0)
            WHEN 'ratio' THEN round(
                defined.scale * coalesce(above.sum_30d, 0) / nullif(below.sum_30d, 0), 6
            )
        END AS value_30d
    FROM defined
    LEFT JOIN sums AS total
        ON total.account_id = defined.account_id AND total.key = defined.metric_key
    LEFT JOIN sums AS above
        ON above.account_id = defined.account_id AND above.key = defined.numerator
    LEFT JOIN sums AS below
        ON below.account_id = defined.account_id AND below.key = defined.denominator
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
