-- Rows that did not come again and stay.

ALTER TABLE meta_ads.sync_windows ADD COLUMN kept_rows BIGINT DEFAULT '0' NOT NULL;

COMMENT ON COLUMN meta_ads.sync_windows.kept_rows IS 'Rows that did not come again and stay: the account''s own row counts them';
