-- Connections.

CREATE TABLE meta_ads.connection_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    connection_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    detail JSONB NOT NULL,
    CONSTRAINT connection_events_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE meta_ads.connection_events IS 'One row per change of a connection; rows are only ever added';

COMMENT ON COLUMN meta_ads.connection_events.id IS 'Running number';

COMMENT ON COLUMN meta_ads.connection_events.at IS 'When';

COMMENT ON COLUMN meta_ads.connection_events.connection_id IS 'Connection; its own row may be gone';

COMMENT ON COLUMN meta_ads.connection_events.tenant IS 'Whom it belonged to';

COMMENT ON COLUMN meta_ads.connection_events.event IS 'added, replaced, checked, renewed, renewal_failed, token_revoked, resealed, removed';

COMMENT ON COLUMN meta_ads.connection_events.actor IS 'User of the machine, or the process, that did it';

COMMENT ON COLUMN meta_ads.connection_events.detail IS 'What changed; never a token';

CREATE INDEX connection_events_connection_id_at_idx ON meta_ads.connection_events (connection_id, at);

CREATE TABLE meta_ads.connections (
    connection_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    app_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    scopes JSONB NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    data_access_expires_at TIMESTAMP WITH TIME ZONE,
    state TEXT NOT NULL,
    problem TEXT,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    renewed_at TIMESTAMP WITH TIME ZONE,
    renewal_failed_at TIMESTAMP WITH TIME ZONE,
    renewal_problem TEXT,
    CONSTRAINT connections_pkey PRIMARY KEY (connection_id),
    CONSTRAINT connections_kind_check CHECK (kind IN ('system_user','business_integration','user')),
    CONSTRAINT connections_state_check CHECK (state IN ('active','expiring','expired','revoked','replaced'))
);

COMMENT ON TABLE meta_ads.connections IS 'One row per way into Meta that is stored here: whose token, for which app, until when';

COMMENT ON COLUMN meta_ads.connections.connection_id IS 'Id of the connection';

COMMENT ON COLUMN meta_ads.connections.tenant IS 'Whom it belongs to here; default where there is one';

COMMENT ON COLUMN meta_ads.connections.kind IS 'system_user, business_integration or user';

COMMENT ON COLUMN meta_ads.connections.name IS 'Whose token it is, for people';

COMMENT ON COLUMN meta_ads.connections.app_id IS 'App the token belongs to';

COMMENT ON COLUMN meta_ads.connections.user_id IS 'Meta''s app-scoped id of the user or system user';

COMMENT ON COLUMN meta_ads.connections.scopes IS 'What the token may do, a list';

COMMENT ON COLUMN meta_ads.connections.expires_at IS 'End of the token; null when Meta names none';

COMMENT ON COLUMN meta_ads.connections.data_access_expires_at IS 'End of its access to data; null likewise';

COMMENT ON COLUMN meta_ads.connections.state IS 'active, expiring, expired, revoked or replaced, when last checked';

COMMENT ON COLUMN meta_ads.connections.problem IS 'Why Meta refuses the token, redacted; null while it does not';

COMMENT ON COLUMN meta_ads.connections.added_at IS 'When it was added';

COMMENT ON COLUMN meta_ads.connections.checked_at IS 'When Meta was last asked about it';

COMMENT ON COLUMN meta_ads.connections.renewed_at IS 'When its token was last renewed';

COMMENT ON COLUMN meta_ads.connections.renewal_failed_at IS 'When renewing last failed; null once it went well';

COMMENT ON COLUMN meta_ads.connections.renewal_problem IS 'Why renewing failed, redacted';

CREATE UNIQUE INDEX connections_whose_idx ON meta_ads.connections (tenant, app_id, user_id) WHERE state <> 'replaced';

CREATE TABLE meta_ads.connection_accounts (
    connection_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT connection_accounts_pkey PRIMARY KEY (connection_id, account_id),
    FOREIGN KEY(connection_id) REFERENCES meta_ads.connections (connection_id) ON DELETE CASCADE
);

COMMENT ON TABLE meta_ads.connection_accounts IS 'One row per connection and ad account that its token reaches';

COMMENT ON COLUMN meta_ads.connection_accounts.connection_id IS 'Connection it belongs to';

COMMENT ON COLUMN meta_ads.connection_accounts.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.connection_accounts.name IS 'Name of the account, as this connection saw it';

COMMENT ON COLUMN meta_ads.connection_accounts.seen_at IS 'When the token last reached it';

CREATE INDEX connection_accounts_account_id_idx ON meta_ads.connection_accounts (account_id);

CREATE TABLE meta_ads.connection_tokens (
    connection_id TEXT NOT NULL,
    role TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    token_key TEXT NOT NULL,
    stored_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT connection_tokens_pkey PRIMARY KEY (connection_id, role),
    FOREIGN KEY(connection_id) REFERENCES meta_ads.connections (connection_id) ON DELETE CASCADE,
    CONSTRAINT connection_tokens_role_check CHECK (role IN ('current','next','previous'))
);

COMMENT ON TABLE meta_ads.connection_tokens IS 'One row per sealed token of a connection; readers of the schema may not see it';

COMMENT ON COLUMN meta_ads.connection_tokens.connection_id IS 'Connection it belongs to';

COMMENT ON COLUMN meta_ads.connection_tokens.role IS 'current: in use; next: renewed, not checked yet; previous: replaced, to be revoked';

COMMENT ON COLUMN meta_ads.connection_tokens.key_id IS 'Which key of META_TOKEN_KEYS sealed it';

COMMENT ON COLUMN meta_ads.connection_tokens.sealed IS 'AES-256-GCM: nonce, then ciphertext, bound to tenant and connection';

COMMENT ON COLUMN meta_ads.connection_tokens.token_key IS 'First 16 hex digits of the token''s SHA-256';

COMMENT ON COLUMN meta_ads.connection_tokens.stored_at IS 'When it came';

-- The audit only grows.
CREATE FUNCTION meta_ads.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: its rows are neither changed nor taken out', TG_TABLE_NAME;
END
$$;

COMMENT ON FUNCTION meta_ads.refuse_change() IS 'Keeps a table append-only';

CREATE TRIGGER connection_events_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON meta_ads.connection_events
    FOR EACH STATEMENT EXECUTE FUNCTION meta_ads.refuse_change();

-- Who may read and not write, as later tables are granted to readers by default, sees no token.
DO $$
DECLARE
    reader oid;
BEGIN
    FOR reader IN
        SELECT granted.grantee
        FROM pg_class, aclexplode(relacl) AS granted
        WHERE pg_class.oid = 'meta_ads.connection_tokens'::regclass AND granted.grantee <> relowner
        GROUP BY granted.grantee
        HAVING NOT bool_or(granted.privilege_type = 'INSERT')
    LOOP
        IF reader = 0 THEN
            REVOKE ALL ON meta_ads.connection_tokens FROM PUBLIC;
        ELSE
            EXECUTE format('REVOKE ALL ON meta_ads.connection_tokens FROM %s', reader::regrole);
        END IF;
    END LOOP;
END
$$;
