-- Goals of ad sets by day.

CREATE TABLE meta_ads.adset_goal_days (
    account_id TEXT NOT NULL,
    adset_id TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    result_metric TEXT NOT NULL,
    days DATEMULTIRANGE NOT NULL,
    CONSTRAINT adset_goal_days_pkey PRIMARY KEY (account_id, adset_id, campaign_id, result_metric)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.adset_goal_days IS 'One row per ad set and what its results were counted as: the days of adset_rollups that it holds for, to find out about goals without reading them';

COMMENT ON COLUMN meta_ads.adset_goal_days.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.adset_goal_days.adset_id IS 'Ad set';

COMMENT ON COLUMN meta_ads.adset_goal_days.campaign_id IS 'Campaign; ''unknown'' where Meta''s row had none';

COMMENT ON COLUMN meta_ads.adset_goal_days.result_metric IS 'As in adset_rollups; empty where nothing here counts the goal';

COMMENT ON COLUMN meta_ads.adset_goal_days.days IS 'Days with delivery';

INSERT INTO meta_ads.adset_goal_days (account_id, adset_id, campaign_id, result_metric, days)
SELECT account_id, adset_id, campaign_id, coalesce(result_metric, ''),
    range_agg(daterange(date_start, date_start, '[]'))
FROM meta_ads.adset_rollups
GROUP BY account_id, adset_id, campaign_id, coalesce(result_metric, '');
