ALTER TABLE meta_ads.pending_accounts ADD COLUMN is_chosen boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN meta_ads.pending_accounts.is_chosen IS 'True while it is ticked';

ALTER TABLE meta_ads.pending_connections ADD COLUMN connection_id text
    REFERENCES meta_ads.connections (connection_id) ON DELETE CASCADE;

COMMENT ON COLUMN meta_ads.pending_connections.connection_id IS
    'Connection whose choice is changed, without a token here; null where one is connected';

COMMENT ON COLUMN meta_ads.connection_events.event IS
    'added, replaced, checked, expired, revoked, renewed, renewal_failed, token_revoked, resealed, accounts_chosen, removed, deauthorized, data_deleted';
