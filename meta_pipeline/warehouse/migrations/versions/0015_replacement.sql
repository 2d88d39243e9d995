-- replacement.

ALTER TABLE meta_ads.insights_changes ADD COLUMN dataset TEXT;

ALTER TABLE meta_ads.insights_changes ADD COLUMN rows_removed BIGINT;

ALTER TABLE meta_ads.sync_cursor ADD COLUMN first_day DATE;

COMMENT ON COLUMN meta_ads.insights_changes.dataset IS 'Kind of rows, as in sync_windows: insights_ad, insights_hourly, breakdown:age,gender, ...';

COMMENT ON COLUMN meta_ads.insights_changes.rows_removed IS 'Rows that Meta took back';

COMMENT ON COLUMN meta_ads.sync_cursor.first_day IS 'Where the first backfill of a kind of insights began; kept up from there on';

CREATE FUNCTION meta_ads.past(
    moment timestamptz, present timestamptz DEFAULT meta_ads.present()
) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN moment <= present + interval '5 minutes' THEN least(moment, present) END;

COMMENT ON FUNCTION meta_ads.past(timestamptz, timestamptz) IS
    'A stored moment, null where it lies in the future: written under a wrong clock it says nothing';
