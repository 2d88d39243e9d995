-- Sensors and schedules that fail again and again are alerts too.

COMMENT ON COLUMN meta_ads.alerts.kind IS 'stale, failing, throttled, lost, check, run, tick, token, error_rate';
