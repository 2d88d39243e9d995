-- Changes of the ad account itself are in entity_changes too.

COMMENT ON COLUMN meta_ads.entity_changes.entity_type IS 'account, campaign, adset or ad';
