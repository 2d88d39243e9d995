-- Webhook changes.

CREATE TABLE meta_ads.webhook_changes (
    change_hash TEXT NOT NULL,
    object TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    account_id TEXT,
    field TEXT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE,
    value JSONB NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    request_id TEXT,
    CONSTRAINT webhook_changes_pkey PRIMARY KEY (change_hash),
    CONSTRAINT webhook_changes_state_check CHECK (state IN ('pending','requested','kept'))
);

COMMENT ON TABLE meta_ads.webhook_changes IS 'One row per change that a webhook of Meta''s told, however often it was delivered';

COMMENT ON COLUMN meta_ads.webhook_changes.change_hash IS 'SHA-256 of entry, field, time and value: a change delivered again is the same';

COMMENT ON COLUMN meta_ads.webhook_changes.object IS 'What Meta calls the kind of thing: ad_account';

COMMENT ON COLUMN meta_ads.webhook_changes.entry_id IS 'Id of the thing, as Meta wrote it';

COMMENT ON COLUMN meta_ads.webhook_changes.account_id IS 'Ad account, as act_<number>; null where the change is of another object';

COMMENT ON COLUMN meta_ads.webhook_changes.field IS 'What changed, in Meta''s words; unknown ones are kept';

COMMENT ON COLUMN meta_ads.webhook_changes.occurred_at IS 'When Meta says it happened; null where it does not say';

COMMENT ON COLUMN meta_ads.webhook_changes.value IS 'What Meta tells of it';

COMMENT ON COLUMN meta_ads.webhook_changes.received_at IS 'When it was first delivered';

COMMENT ON COLUMN meta_ads.webhook_changes.state IS 'pending: to be read; requested: in the sync request named; kept: names nothing to read';

COMMENT ON COLUMN meta_ads.webhook_changes.request_id IS 'The row of sync_requests that reads what it names';

CREATE INDEX webhook_changes_pending_idx ON meta_ads.webhook_changes (account_id, received_at) WHERE state = 'pending';

CREATE INDEX webhook_changes_received_at_idx ON meta_ads.webhook_changes (received_at);
