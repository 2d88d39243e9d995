-- Up to when rows are added up for counters, so that a scrape reads no more than what came since.

CREATE TABLE meta_ads.counted_until (
    source TEXT NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT counted_until_pkey PRIMARY KEY (source)
);

COMMENT ON TABLE meta_ads.counted_until IS 'One row per table that counters are sums of: up to when its rows are in retired_totals';

COMMENT ON COLUMN meta_ads.counted_until.source IS 'Name of the table';

COMMENT ON COLUMN meta_ads.counted_until.until IS 'Rows of an earlier moment are added up: by hour, or by finished_at';

COMMENT ON TABLE meta_ads.retired_totals IS 'One row per counter and label: what is added up for good, so that counters never fall';

COMMENT ON COLUMN meta_ads.retired_totals.total IS 'Sum over all rows that are added up, also those that were removed';

CREATE INDEX sync_runs_finished_at_idx ON meta_ads.sync_runs (finished_at);
