-- The comment of meta_insights says that its levels repeat each other.

COMMENT ON TABLE meta_ads.meta_insights IS 'One row per level, entity and day: levels repeat each other, so sum(spend) over all rows counts every amount more than once. Read ad_insights, adset_insights, campaign_insights or account_insights. Daily rows have date_stop = date_start';
