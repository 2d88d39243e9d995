-- One row per ad set: what counts as its result, and why that. A custom conversion and a custom event
-- count their own action type, a conversion event and an optimisation goal the metric that the dictionary
-- gives them; the objective speaks only where the ad set says nothing itself
-- adset_id: Ad set
-- account_id: Ad account, as act_<number>
-- campaign_id: Campaign it belongs to
-- result_metric: Metric of the dictionary that counts its results, or Meta's action type of a custom
-- conversion or event (these have a dot in them); null where nothing here counts them
-- decided_by: What decided it: custom conversion, custom event, conversion event, optimization goal or
-- objective
-- result_name: Name of the custom conversion, where META_CUSTOM_CONVERSIONS has them read; else null
SELECT
    s.adset_id,
    s.account_id,
    s.campaign_id,
    -- Longer than any name that Meta takes, and kept in an index by the rollups.
    CASE CASE WHEN length(wanted.value) <= 200 THEN wanted.kind END
        WHEN 'custom conversion' THEN 'offsite_conversion.custom.' || wanted.value
        WHEN 'custom event' THEN 'offsite_conversion.fb_pixel_custom.' || wanted.value
        ELSE goal.metric_key
    END AS result_metric,
    wanted.kind || coalesce(' ' || wanted.value, '') AS decided_by,
    nullif(custom.name, '') AS result_name
FROM meta_ads.meta_adsets AS s
LEFT JOIN meta_ads.meta_campaigns AS c ON c.campaign_id = s.campaign_id
CROSS JOIN LATERAL (
    SELECT
        nullif(nullif(btrim(s.promoted_object ->> 'custom_conversion_id'), ''), '0') AS conversion_id,
        nullif(btrim(s.promoted_object ->> 'custom_event_str'), '') AS event_name,
        nullif(upper(btrim(s.promoted_object ->> 'custom_event_type')), '') AS event_type,
        nullif(btrim(s.promoted_object ->> 'pixel_id'), '') AS pixel_id,
        nullif(btrim(s.promoted_object ->> 'application_id'), '') AS application_id,
        -- Conversions that no action type of an insights row is known to count alone.
        coalesce(s.promoted_object ?| ARRAY[
            'conversion_goal_id', 'mcme_conversion_id', 'offsite_conversion_event_id',
            'pixel_aggregation_rule', 'pixel_rule'
        ], false) AS is_narrowed,
        nullif(upper(s.optimization_goal), '') AS optimization_goal
) AS said
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN said.conversion_id IS NOT NULL THEN 'custom conversion'
            WHEN said.is_narrowed THEN 'rule of a conversion'
            WHEN said.event_name IS NOT NULL AND coalesce(said.event_type, 'OTHER') = 'OTHER'
                THEN CASE
                    WHEN said.application_id IS NULL OR said.pixel_id IS NOT NULL THEN 'custom event'
                    ELSE 'custom app event'
                END
            WHEN said.event_type IS NOT NULL THEN 'event'
            WHEN said.optimization_goal NOT IN ('NONE', 'AUTOMATIC_OBJECTIVE', 'OFFSITE_CONVERSIONS')
                THEN 'optimization goal'
            ELSE 'objective'
        END AS kind
) AS decided
CROSS JOIN LATERAL (
    SELECT
        decided.kind,
        CASE decided.kind
            WHEN 'custom conversion' THEN said.conversion_id
            WHEN 'custom event' THEN said.event_name
            WHEN 'custom app event' THEN said.event_name
            WHEN 'event' THEN said.event_type
            WHEN 'optimization goal' THEN said.optimization_goal
            WHEN 'objective' THEN c.objective
        END AS value
) AS wanted
LEFT JOIN meta_ads.metric_goals AS goal
    ON goal.source = replace(wanted.kind, ' ', '_')
    AND goal.value = wanted.value
-- By its key, so that it is not even looked at where nobody asks for the name.
LEFT JOIN meta_ads.meta_custom_conversions AS custom
    ON custom.account_id = s.account_id
    AND custom.custom_conversion_id = said.conversion_id
