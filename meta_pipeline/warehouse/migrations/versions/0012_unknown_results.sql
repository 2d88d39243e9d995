-- Results are null where nothing here counts an ad set's goal; views are made again afterwards.

ALTER TABLE meta_ads.daily_ad_metrics
    ALTER COLUMN results DROP NOT NULL,
    ADD COLUMN spend_without_results NUMERIC DEFAULT '0' NOT NULL;

COMMENT ON COLUMN meta_ads.daily_ad_metrics.results IS 'What the ad sets are optimised for; null where nothing here counts it';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.spend_without_results IS 'Of spend, that of ad sets whose results nothing here counts';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.result_metric IS 'Metric that results counts, or action type of a custom conversion or event; null where nothing here counts the goal';

ALTER TABLE meta_ads.daily_adset_metrics
    ALTER COLUMN results DROP NOT NULL,
    ADD COLUMN spend_without_results NUMERIC DEFAULT '0' NOT NULL;

COMMENT ON COLUMN meta_ads.daily_adset_metrics.results IS 'What the ad sets are optimised for; null where nothing here counts it';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.spend_without_results IS 'Of spend, that of ad sets whose results nothing here counts';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.result_metric IS 'Metric that results counts, or action type of a custom conversion or event; null where nothing here counts the goal';

ALTER TABLE meta_ads.daily_campaign_metrics
    ALTER COLUMN results DROP NOT NULL,
    ADD COLUMN spend_without_results NUMERIC DEFAULT '0' NOT NULL;

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.results IS 'What the ad sets are optimised for; null where nothing here counts it';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.spend_without_results IS 'Of spend, that of ad sets whose results nothing here counts';
