-- The syncs of a Dagster run and the requests of a claim are found by index.

CREATE INDEX sync_requests_claim_id_idx ON meta_ads.sync_requests (claim_id) WHERE claim_id IS NOT NULL;

CREATE INDEX sync_runs_dagster_run_id_idx ON meta_ads.sync_runs (dagster_run_id)
    WHERE dagster_run_id IS NOT NULL;
