-- One row per ad, day and action type that Meta reported, with the windows that were asked for and
-- the value of the actions. Types of one family are the same people again: never add them, take
-- the one whose is_counted is true, or ask the metric layer
-- account_id: Ad account, as act_<number>
-- date_start: Day in the account's time zone
-- campaign_id: Campaign id
-- adset_id: Ad set id
-- ad_id: Ad id
-- action_type: Meta's action type
-- family: Family of types that count the same people; null for a type of its own
-- is_counted: Whether the dictionary's standard order counts this type in this row
-- actions: Number of actions in the ad set's own attribution setting
-- actions_1d_click: Of them within one day of a click; null when none or not asked for
-- actions_7d_click: Of them within seven days of a click; null when none or not asked for
-- actions_28d_click: Within 28 days of a click; null when none or not asked for
-- actions_1d_view: Of them within one day of a view; null when none or not asked for
-- action_value: Value of the actions in major units; null when Meta gives none
-- currency: Currency of the values
-- data_as_of: When Meta gave these numbers
-- custom_conversion_name: Name of the custom conversion that the type counts, where META_CUSTOM_CONVERSIONS has
-- them read; else null
SELECT
    insight.account_id,
    insight.date_start,
    insight.campaign_id,
    insight.adset_id,
    insight.entity_id AS ad_id,
    item.entry ->> 'action_type' AS action_type,
    known.family,
    coalesce(
        known.fallback_order = min(known.fallback_order) OVER (
            PARTITION BY insight.account_id, insight.date_start, insight.entity_id, known.family
        ), true
    ) AS is_counted,
    meta_ads.number_or_null(item.entry ->> 'value') AS actions,
    meta_ads.number_or_null(item.entry ->> '1d_click') AS actions_1d_click,
    meta_ads.number_or_null(item.entry ->> '7d_click') AS actions_7d_click,
    meta_ads.number_or_null(item.entry ->> '28d_click') AS actions_28d_click,
    meta_ads.number_or_null(item.entry ->> '1d_view') AS actions_1d_view,
    (
        SELECT sum(meta_ads.number_or_null(worth.entry ->> 'value'))
        FROM jsonb_array_elements(
            CASE jsonb_typeof(insight.action_values) WHEN 'array' THEN insight.action_values ELSE '[]' END
        ) AS worth (entry)
        WHERE worth.entry ->> 'action_type' = item.entry ->> 'action_type'
    ) AS action_value,
    insight.currency,
    insight.data_as_of,
    nullif(custom.name, '') AS custom_conversion_name
FROM meta_ads.meta_insights AS insight
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(insight.actions) WHEN 'array' THEN insight.actions ELSE '[]' END
) AS item (entry)
LEFT JOIN meta_ads.metric_families AS known
    ON known.action_type = item.entry ->> 'action_type'
LEFT JOIN meta_ads.meta_custom_conversions AS custom
    ON custom.account_id = insight.account_id
    AND custom.custom_conversion_id = substring(
        item.entry ->> 'action_type' FROM '^(?:offsite|onsite|offline)_conversion\.custom\.([0-9]+)$'
    )
WHERE insight.entity_type = 'ad' AND insight.date_stop = insight.date_start
