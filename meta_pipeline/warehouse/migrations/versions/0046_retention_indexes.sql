-- Retention finds what it removes by indexes, however much stays.

-- Of each account, scope and status the newest run stays: without this index all newer runs of the
-- account were read for each old one. It costs two entries a sync, as it opens and as it
-- closes, beside those of the table's five other indexes.
CREATE INDEX sync_runs_account_id_scope_status_started_at_idx
    ON meta_ads.sync_runs (account_id, scope, status, started_at);

-- Each slice read the whole table and sorted it. One entry a request, as it is settled: that update
-- leaves the index of what is open and so is no HOT update in any case.
CREATE INDEX sync_requests_finished_at_idx ON meta_ads.sync_requests (finished_at)
    WHERE finished_at IS NOT NULL;

-- A BRIN index keeps a block range's bounds when its rows are gone: each slice went through the
-- blocks of all before it. Entries of a btree come at its end, and those of one sync are alike, so
-- that they share a posting list.
DROP INDEX meta_ads.insights_changes_read_at_idx;
CREATE INDEX insights_changes_read_at_idx ON meta_ads.insights_changes (read_at);
