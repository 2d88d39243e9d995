-- One row per ad set: the metric that counts its results, and why that one
-- adset_id: Ad set
-- account_id: Ad account, as act_<number>
-- campaign_id: Campaign it belongs to
-- result_metric: Metric of the dictionary that counts its results; null where nothing fits
-- decided_by: What decided it: conversion event, optimization goal or objective
SELECT
    s.adset_id,
    s.account_id,
    s.campaign_id,
    coalesce(by_event.metric_key, by_optimization.metric_key, by_objective.metric_key)
        AS result_metric,
    CASE
        WHEN by_event.metric_key IS NOT NULL THEN 'event ' || by_event.value
        WHEN by_optimization.metric_key IS NOT NULL
            THEN 'optimization goal ' || by_optimization.value
        WHEN by_objective.metric_key IS NOT NULL THEN 'objective ' || by_objective.value
    END AS decided_by
FROM meta_ads.meta_adsets AS s
LEFT JOIN meta_ads.meta_campaigns AS c ON c.campaign_id = s.campaign_id
LEFT JOIN meta_ads.metric_goals AS by_event
    ON by_event.source = 'event'
    AND by_event.value = s.promoted_object ->> 'custom_event_type'
LEFT JOIN meta_ads.metric_goals AS by_optimization
    ON by_optimization.source = 'optimization_goal'
    AND by_optimization.value = s.optimization_goal
LEFT JOIN meta_ads.metric_goals AS by_objective
    ON by_objective.source = 'objective'
    AND by_objective.value = c.objective;
