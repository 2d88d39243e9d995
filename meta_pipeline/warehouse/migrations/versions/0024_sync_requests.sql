-- Sync requests.

CREATE TABLE meta_ads.sync_requests (
    request_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    source TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    parts JSONB,
    objects JSONB,
    since DATE,
    until DATE,
    max_age_seconds INTEGER,
    force BOOLEAN NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    claim_id TEXT,
    claimed_at TIMESTAMP WITH TIME ZONE,
    dagster_run_id TEXT,
    progress JSONB,
    outcome TEXT,
    message TEXT,
    sync_run_ids JSONB,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT sync_requests_pkey PRIMARY KEY (request_id),
    CONSTRAINT sync_requests_state_check CHECK (state IN ('pending','running','done','failed','cancelled')),
    CONSTRAINT sync_requests_source_check CHECK (source IN ('cli','web','api','webhook'))
);

COMMENT ON TABLE meta_ads.sync_requests IS 'One row per wish to sync an ad account, whoever had it; many may be served by one sync';

COMMENT ON COLUMN meta_ads.sync_requests.request_id IS 'Id of the request';

COMMENT ON COLUMN meta_ads.sync_requests.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.sync_requests.source IS 'Where it was made: cli, web, api or webhook';

COMMENT ON COLUMN meta_ads.sync_requests.requested_by IS 'Who asked: a user, an API key, Meta';

COMMENT ON COLUMN meta_ads.sync_requests.reason IS 'Why, in the asker''s words';

COMMENT ON COLUMN meta_ads.sync_requests.parts IS 'Parts to sync, a list; null for what the settings bring';

COMMENT ON COLUMN meta_ads.sync_requests.objects IS 'Ids to read and nothing else, lists by part; null for whole parts';

COMMENT ON COLUMN meta_ads.sync_requests.since IS 'First day of insights, in the account''s zone; null where the plan decides';

COMMENT ON COLUMN meta_ads.sync_requests.until IS 'Last day, inclusive; null for today';

COMMENT ON COLUMN meta_ads.sync_requests.max_age_seconds IS 'Read again what is older than this; null as the settings say';

COMMENT ON COLUMN meta_ads.sync_requests.force IS 'Whether what is fresh is read again too';

COMMENT ON COLUMN meta_ads.sync_requests.requested_at IS 'When it was asked for';

COMMENT ON COLUMN meta_ads.sync_requests.not_before IS 'Until when it waits; null when it may start';

COMMENT ON COLUMN meta_ads.sync_requests.state IS 'pending, running, done, failed or cancelled';

COMMENT ON COLUMN meta_ads.sync_requests.attempts IS 'How often a sync was started for it';

COMMENT ON COLUMN meta_ads.sync_requests.claim_id IS 'What it was started with; requests of one claim share a sync';

COMMENT ON COLUMN meta_ads.sync_requests.claimed_at IS 'When that was';

COMMENT ON COLUMN meta_ads.sync_requests.dagster_run_id IS 'The Dagster run that serves it';

COMMENT ON COLUMN meta_ads.sync_requests.progress IS 'How far its sync is: step, rows, calls, seconds, seconds_left, sentence';

COMMENT ON COLUMN meta_ads.sync_requests.outcome IS 'Status of its sync: success, partial, throttled, refused or fail';

COMMENT ON COLUMN meta_ads.sync_requests.message IS 'Why it waits, or what came of it, in a sentence';

COMMENT ON COLUMN meta_ads.sync_requests.sync_run_ids IS 'Rows of sync_runs that served it, a list';

COMMENT ON COLUMN meta_ads.sync_requests.finished_at IS 'When it was settled';

CREATE INDEX sync_requests_account_id_requested_at_idx ON meta_ads.sync_requests (account_id, requested_at);

CREATE INDEX sync_requests_open_idx ON meta_ads.sync_requests (account_id) WHERE state IN ('pending','running');

CREATE INDEX sync_requests_requested_at_request_id_idx ON meta_ads.sync_requests (requested_at, request_id);
