-- The ads' rows of an ad set and of a campaign are found by index.

-- Numbers of an attribution window are in no rollup: those of one ad set were looked for in all rows
-- of its account. The table of ads does not lead there, as a row may come before its ad, and an ad
-- that Meta gives no more is kept without its ad set. Ads of one ad set and day share a posting list.
CREATE INDEX meta_insights_adset_id_date_start_idx ON meta_ads.meta_insights (adset_id, date_start)
    WHERE entity_type = 'ad';

CREATE INDEX meta_insights_campaign_id_date_start_idx
    ON meta_ads.meta_insights (campaign_id, date_start)
    WHERE entity_type = 'ad';
