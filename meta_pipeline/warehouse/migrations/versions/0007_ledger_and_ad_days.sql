-- ledger and ad days.

ALTER TABLE meta_ads.sync_windows ADD COLUMN first_fetched_at TIMESTAMP WITH TIME ZONE;

COMMENT ON COLUMN meta_ads.sync_windows.first_fetched_at IS 'When it was first fetched; movements are seen from then on';

-- Of days read before this was kept only the last reading is known.
UPDATE meta_ads.sync_windows SET first_fetched_at = fetched_at;

-- Ten seconds for ten million rows; views ad_performance and entity_tree read through it.
CREATE INDEX daily_ad_metrics_ad_id_date_start_idx ON meta_ads.daily_ad_metrics (ad_id, date_start);
