-- extras.

ALTER TABLE meta_ads.sync_runs ADD COLUMN creatives_fetched INTEGER;

ALTER TABLE meta_ads.sync_runs ADD COLUMN activities_fetched INTEGER;

COMMENT ON COLUMN meta_ads.sync_runs.creatives_fetched IS 'Creatives Meta returned';

COMMENT ON COLUMN meta_ads.sync_runs.activities_fetched IS 'Entries of the change log Meta returned';
