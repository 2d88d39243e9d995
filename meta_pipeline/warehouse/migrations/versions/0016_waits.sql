-- waits.

ALTER TABLE meta_ads.meta_api_logs ADD COLUMN waited_ms NUMERIC;

ALTER TABLE meta_ads.meta_api_logs ADD COLUMN wait_reason TEXT;

COMMENT ON COLUMN meta_ads.meta_api_logs.waited_ms IS 'How long it was held back for quota before it was sent; null: not at all';

COMMENT ON COLUMN meta_ads.meta_api_logs.wait_reason IS 'Why it was held back, in a sentence';
