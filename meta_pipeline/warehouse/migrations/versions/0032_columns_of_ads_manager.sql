-- Columns of Ads Manager.

ALTER TABLE meta_ads.meta_insights ADD COLUMN attribution_setting TEXT;

COMMENT ON COLUMN meta_ads.meta_insights.attribution_setting IS 'Attribution setting of the ad set that the default values count by: 7d_click_1d_view; above ad sets there is none. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN results JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.results IS 'Results as Ads Manager shows them: [{indicator, values: [{value, attribution_windows}]}]. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN cost_per_result JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.cost_per_result IS 'Cost per result in major units, in the shape of results. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN purchase_roas JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.purchase_roas IS 'Purchase value / spend; never add it up. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN website_purchase_roas JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.website_purchase_roas IS 'Value of purchases on the website / spend; never add it up. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN outbound_clicks JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.outbound_clicks IS 'Clicks that lead away from Meta. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN conversions JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.conversions IS 'Conversions by type as Meta sends them. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN conversion_values JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.conversion_values IS 'Value of conversions by type in major units. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN video_play_actions JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.video_play_actions IS 'Videos that began to play. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN video_p25_watched_actions JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.video_p25_watched_actions IS 'Videos played to 25 percent of their length. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN video_p50_watched_actions JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.video_p50_watched_actions IS 'Videos played to 50 percent of their length. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN video_p75_watched_actions JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.video_p75_watched_actions IS 'Videos played to 75 percent of their length. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN video_p95_watched_actions JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.video_p95_watched_actions IS 'Videos played to 95 percent of their length. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN video_p100_watched_actions JSONB;

COMMENT ON COLUMN meta_ads.meta_insights.video_p100_watched_actions IS 'Videos played to 100 percent of their length. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN instagram_profile_visits BIGINT;

COMMENT ON COLUMN meta_ads.meta_insights.instagram_profile_visits IS 'Visits of the Instagram profile from the ad. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN quality_ranking TEXT;

COMMENT ON COLUMN meta_ads.meta_insights.quality_ranking IS 'Quality of the ad against ads for the same people; UNKNOWN below 500 impressions. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN engagement_rate_ranking TEXT;

COMMENT ON COLUMN meta_ads.meta_insights.engagement_rate_ranking IS 'Expected engagement against ads for the same people. Kept with META_INSIGHTS_COLUMNS';

ALTER TABLE meta_ads.meta_insights ADD COLUMN conversion_rate_ranking TEXT;

COMMENT ON COLUMN meta_ads.meta_insights.conversion_rate_ranking IS 'Expected conversion rate against ads with the same goal and people. Kept with META_INSIGHTS_COLUMNS';
