-- The days of an ad set and of a campaign are found by index, as those of an ad are.

-- A page of the table, and each part of a download, reads the rows of some: without these indexes it
-- walked the index of all rows of the account and the days.
CREATE INDEX adset_rollups_adset_id_date_start_idx ON meta_ads.adset_rollups (adset_id, date_start);

CREATE INDEX campaign_rollups_campaign_id_date_start_idx
    ON meta_ads.campaign_rollups (campaign_id, date_start);
