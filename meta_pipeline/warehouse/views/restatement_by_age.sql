-- One row per account, level and age in days at which numbers moved after first being read: how much
-- they moved. Past the last age listed a day has been final so far
-- account_id: Ad account, as act_<number>
-- entity_type: Level that was read
-- age_days: Whole days since the day ended, in the account's zone; 0 for the first day after
-- days_moved: Days that moved at this age
-- reads: Reads that found other numbers
-- rows_moved: Rows that were new, different or gone
-- spend_moved: Sum of the differences of spend, each without its sign, in major units
-- spend_moved_pct: The same in percent of the spend of these days
-- impressions_moved_pct: Impressions, likewise
-- clicks_moved_pct: Clicks, likewise
-- actions_moved_pct: Actions of all types, likewise
-- last_read_at: Newest read that found other numbers
SELECT
    account_id,
    entity_type,
    floor(age_days)::integer AS age_days,
    count(DISTINCT date_start) AS days_moved,
    count(*) AS reads,
    sum(coalesce(rows_new, 0) + coalesce(rows_changed, 0) + coalesce(rows_removed, 0))::bigint
        AS rows_moved,
    sum(abs(spend_after - spend_before)) AS spend_moved,
    round(100 * sum(abs(spend_after - spend_before)) / nullif(sum(spend_after), 0), 4)
        AS spend_moved_pct,
    round(100 * sum(abs(impressions_after - impressions_before))
        / nullif(sum(impressions_after), 0), 4) AS impressions_moved_pct,
    round(100 * sum(abs(clicks_after - clicks_before))
        / nullif(sum(clicks_after), 0), 4) AS clicks_moved_pct,
    round(100 * sum(abs(actions_after - actions_before))
        / nullif(sum(actions_after), 0), 4) AS actions_moved_pct,
    max(read_at) AS last_read_at
FROM meta_ads.insights_changes
WHERE age_days >= 0 AND coalesce(dataset, 'insights_' || entity_type) = 'insights_' || entity_type
GROUP BY account_id, entity_type, floor(age_days)
