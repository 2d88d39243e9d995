-- title: Date ranges of insights
-- question: Which levels hold several date ranges for one entity, and could sums count days twice?
-- minimum: 1
-- entity_type: Level: account, campaign, adset or ad
-- entities: Entities with rows in the period
-- with_several_ranges: Entities with more than one date range: one for each day, in daily data
-- ranges: Rows in all
-- ranges_per_entity: Rows of an entity, on average
-- ranges_over_a_day: Rows that cover more than one day: never add these to daily rows
-- first_day: First day of the rows
-- last_day: Last day of the rows
-- observations: Rows
SELECT
    entity_type,
    count(*) AS entities,
    count(*) FILTER (WHERE ranges > 1) AS with_several_ranges,
    sum(ranges)::bigint AS ranges,
    round(avg(ranges), 1) AS ranges_per_entity,
    sum(long_ranges)::bigint AS ranges_over_a_day,
    min(first_day) AS first_day,
    max(last_day) AS last_day,
    sum(ranges)::bigint AS observations
FROM (
    SELECT
        entity_type,
        entity_id,
        count(*) AS ranges,
        count(*) FILTER (WHERE date_stop > date_start) AS long_ranges,
        min(date_start) AS first_day,
        max(date_stop) AS last_day
    FROM meta_ads.meta_insights
    WHERE date_stop >= meta_ads.report_since()::date
    GROUP BY entity_type, entity_id
) AS entity
GROUP BY entity_type
ORDER BY ranges DESC, entity_type
