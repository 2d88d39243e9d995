-- incomplete days.

ALTER TABLE meta_ads.sync_windows ADD COLUMN incomplete TEXT;

ALTER TABLE meta_ads.sync_windows ADD COLUMN unproven_reads INTEGER DEFAULT '0' NOT NULL;

COMMENT ON COLUMN meta_ads.sync_windows.incomplete IS 'What is missing of the day or contradicts it; null: nothing that is known';

COMMENT ON COLUMN meta_ads.sync_windows.unproven_reads IS 'Readings in a row that left it incomplete or unproven; each makes the pause longer';
