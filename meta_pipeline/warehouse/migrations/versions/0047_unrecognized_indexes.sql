-- Retention of what was not understood, and what Meta says of the API version without the rest.

-- The table was never pruned: the first time has many slices, each of which would read it whole and
-- sort it. One entry for each value that a slice saw again, and few slices see any.
CREATE INDEX unrecognized_values_last_seen_at_idx ON meta_ads.unrecognized_values (last_seen_at);

-- Each look at the status read the whole table for the few notices in it; no other row has an entry.
CREATE INDEX unrecognized_values_api_version_idx ON meta_ads.unrecognized_values (value)
    WHERE source = 'api_version';
