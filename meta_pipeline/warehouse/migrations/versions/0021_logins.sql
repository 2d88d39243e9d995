-- Logins.

CREATE TABLE meta_ads.login_states (
    state_hash TEXT NOT NULL,
    session_hash TEXT NOT NULL,
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    config_id TEXT,
    scopes JSONB NOT NULL,
    begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT login_states_pkey PRIMARY KEY (state_hash)
);

COMMENT ON TABLE meta_ads.login_states IS 'One row per login that was begun; readers of the schema may not see it';

COMMENT ON COLUMN meta_ads.login_states.state_hash IS 'SHA-256 of the state that went to Meta and has to come back';

COMMENT ON COLUMN meta_ads.login_states.session_hash IS 'SHA-256 of the session that began it';

COMMENT ON COLUMN meta_ads.login_states.tenant IS 'Whom the connection will belong to';

COMMENT ON COLUMN meta_ads.login_states.app_id IS 'App that asks';

COMMENT ON COLUMN meta_ads.login_states.redirect_uri IS 'Where Meta leads back to, byte by byte';

COMMENT ON COLUMN meta_ads.login_states.config_id IS 'Configuration of Login for Business; null for classic scopes';

COMMENT ON COLUMN meta_ads.login_states.scopes IS 'Scopes that were asked for, a list';

COMMENT ON COLUMN meta_ads.login_states.begun_at IS 'When it was begun';

COMMENT ON COLUMN meta_ads.login_states.ends_at IS 'When it can no longer be answered';

COMMENT ON COLUMN meta_ads.login_states.answered_at IS 'When Meta''s answer came; it is taken once';

CREATE INDEX login_states_ends_at_idx ON meta_ads.login_states (ends_at);

CREATE TABLE meta_ads.pending_connections (
    pending_id TEXT NOT NULL,
    session_hash TEXT NOT NULL,
    tenant TEXT NOT NULL,
    app_id TEXT NOT NULL,
    kind TEXT,
    name TEXT,
    user_id TEXT,
    client_business_id TEXT,
    scopes JSONB NOT NULL,
    declined JSONB NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    data_access_expires_at TIMESTAMP WITH TIME ZONE,
    key_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    token_key TEXT NOT NULL,
    came_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pending_connections_pkey PRIMARY KEY (pending_id),
    CONSTRAINT pending_connections_kind_check CHECK (kind IN ('system_user','business_integration','user'))
);

COMMENT ON TABLE meta_ads.pending_connections IS 'One row per token that was granted and whose accounts are not chosen yet; readers of the schema may not see it';

COMMENT ON COLUMN meta_ads.pending_connections.pending_id IS 'Id of what is pending';

COMMENT ON COLUMN meta_ads.pending_connections.session_hash IS 'SHA-256 of the session that began it';

COMMENT ON COLUMN meta_ads.pending_connections.tenant IS 'Whom the connection will belong to';

COMMENT ON COLUMN meta_ads.pending_connections.app_id IS 'App the token belongs to';

COMMENT ON COLUMN meta_ads.pending_connections.kind IS 'business_integration, system_user or user; null until Meta was asked';

COMMENT ON COLUMN meta_ads.pending_connections.name IS 'Whose token it is, for people; null until Meta was asked';

COMMENT ON COLUMN meta_ads.pending_connections.user_id IS 'Meta''s app-scoped id of the user; null until Meta was asked';

COMMENT ON COLUMN meta_ads.pending_connections.client_business_id IS 'Business portfolio that granted it; null where a person did';

COMMENT ON COLUMN meta_ads.pending_connections.scopes IS 'What the token may do, a list';

COMMENT ON COLUMN meta_ads.pending_connections.declined IS 'What was asked for and not granted, a list';

COMMENT ON COLUMN meta_ads.pending_connections.expires_at IS 'End of the token; null when Meta names none';

COMMENT ON COLUMN meta_ads.pending_connections.data_access_expires_at IS 'End of its access to data; null likewise';

COMMENT ON COLUMN meta_ads.pending_connections.key_id IS 'Which key of META_TOKEN_KEYS sealed it';

COMMENT ON COLUMN meta_ads.pending_connections.sealed IS 'AES-256-GCM: nonce, then ciphertext, bound to tenant and pending_id';

COMMENT ON COLUMN meta_ads.pending_connections.token_key IS 'First 16 hex digits of the token''s SHA-256';

COMMENT ON COLUMN meta_ads.pending_connections.came_at IS 'When the token came';

COMMENT ON COLUMN meta_ads.pending_connections.ends_at IS 'When it is swept, unless accounts were chosen';

CREATE INDEX pending_connections_ends_at_idx ON meta_ads.pending_connections (ends_at);

CREATE TABLE meta_ads.pending_accounts (
    pending_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT,
    CONSTRAINT pending_accounts_pkey PRIMARY KEY (pending_id, account_id),
    FOREIGN KEY(pending_id) REFERENCES meta_ads.pending_connections (pending_id) ON DELETE CASCADE
);

COMMENT ON TABLE meta_ads.pending_accounts IS 'One row per ad account that may be chosen; the list is kept here, not in the browser';

COMMENT ON COLUMN meta_ads.pending_accounts.pending_id IS 'What it belongs to';

COMMENT ON COLUMN meta_ads.pending_accounts.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.pending_accounts.name IS 'Name of the account';

COMMENT ON TABLE meta_ads.connection_accounts IS 'One row per connection and ad account that its token reaches and that was chosen';

ALTER TABLE meta_ads.connections ADD COLUMN client_business_id TEXT;

COMMENT ON COLUMN meta_ads.connections.client_business_id IS 'Business portfolio that granted it; null where a person did';

ALTER TABLE meta_ads.connections ADD COLUMN chosen_accounts JSONB;

COMMENT ON COLUMN meta_ads.connections.chosen_accounts IS 'Ad accounts that were chosen of those it reaches, a list; null: all, also later ones';

-- Who may read and not write, as later tables are granted to readers by default, sees neither the
-- sealed tokens nor the logins.
DO $$
DECLARE
    hidden regclass;
    reader oid;
BEGIN
    FOR hidden, reader IN
        SELECT pg_class.oid, granted.grantee
        FROM pg_class, aclexplode(relacl) AS granted
        WHERE granted.grantee <> relowner AND pg_class.oid IN (
            'meta_ads.login_states'::regclass, 'meta_ads.pending_connections'::regclass
        )
        GROUP BY pg_class.oid, granted.grantee
        HAVING NOT bool_or(granted.privilege_type = 'INSERT')
    LOOP
        EXECUTE format(
            'REVOKE ALL ON %s FROM %s',
            hidden, CASE reader WHEN 0 THEN 'PUBLIC' ELSE reader::regrole::text END
        );
    END LOOP;
END
$$;
