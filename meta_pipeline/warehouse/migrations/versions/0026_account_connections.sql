-- Account connections.

ALTER TABLE meta_ads.meta_ad_accounts ADD COLUMN environment_listed_at TIMESTAMP WITH TIME ZONE;

COMMENT ON COLUMN meta_ads.meta_ad_accounts.environment_listed_at IS 'When META_ACCESS_TOKEN last listed it; null: it does not reach the account';

-- Until now every account was read with META_ACCESS_TOKEN.
UPDATE meta_ads.meta_ad_accounts SET environment_listed_at = last_listed_at WHERE is_accessible;

ALTER TABLE meta_ads.sync_runs ADD COLUMN connection_id TEXT;

COMMENT ON COLUMN meta_ads.sync_runs.connection_id IS 'Connection its calls ended with; null for META_ACCESS_TOKEN';

ALTER TABLE meta_ads.sync_runs ADD COLUMN app_key TEXT;

COMMENT ON COLUMN meta_ads.sync_runs.app_key IS 'Whose meters of usage_readings counted: app, or app_<id> of another app';
