-- Callbacks of Meta.

CREATE TABLE meta_ads.meta_callbacks (
    confirmation_code TEXT NOT NULL,
    kind TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    app_id TEXT NOT NULL,
    user_id TEXT,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER NOT NULL,
    tried_at TIMESTAMP WITH TIME ZONE,
    problem TEXT,
    done_at TIMESTAMP WITH TIME ZONE,
    deleted JSONB,
    CONSTRAINT meta_callbacks_pkey PRIMARY KEY (confirmation_code),
    CONSTRAINT meta_callbacks_kind_check CHECK (kind IN ('deauthorize','data_deletion')),
    CONSTRAINT meta_callbacks_done_check CHECK (done_at IS NULL OR user_id IS NULL)
);

COMMENT ON TABLE meta_ads.meta_callbacks IS 'One row per call of Meta that somebody removed the app or wants their data deleted';

COMMENT ON COLUMN meta_ads.meta_callbacks.confirmation_code IS 'What the person is told, to look up what became of it';

COMMENT ON COLUMN meta_ads.meta_callbacks.kind IS 'deauthorize or data_deletion';

COMMENT ON COLUMN meta_ads.meta_callbacks.request_hash IS 'Kind and SHA-256 of the signed request: the same is taken once';

COMMENT ON COLUMN meta_ads.meta_callbacks.app_id IS 'App that was removed';

COMMENT ON COLUMN meta_ads.meta_callbacks.user_id IS 'Meta''s app-scoped id of the person; null once it is carried out';

COMMENT ON COLUMN meta_ads.meta_callbacks.issued_at IS 'When Meta signed it';

COMMENT ON COLUMN meta_ads.meta_callbacks.received_at IS 'When it came';

COMMENT ON COLUMN meta_ads.meta_callbacks.attempts IS 'How often it was tried to carry it out';

COMMENT ON COLUMN meta_ads.meta_callbacks.tried_at IS 'When that was last tried';

COMMENT ON COLUMN meta_ads.meta_callbacks.problem IS 'Why it is not carried out yet, redacted; null while nothing is wrong';

COMMENT ON COLUMN meta_ads.meta_callbacks.done_at IS 'When it was carried out; null while it is not';

COMMENT ON COLUMN meta_ads.meta_callbacks.deleted IS 'What was deleted: table to number of rows; never what stood in them';

CREATE INDEX meta_callbacks_open_idx ON meta_ads.meta_callbacks (received_at) WHERE done_at IS NULL;

CREATE UNIQUE INDEX meta_callbacks_request_idx ON meta_ads.meta_callbacks (request_hash);

COMMENT ON COLUMN meta_ads.connection_events.event IS 'added, replaced, checked, renewed, renewal_failed, token_revoked, resealed, removed, deauthorized, data_deleted';

-- Who may read and not write, as later tables are granted to readers by default, does not see who
-- wants to be forgotten.
DO $$
DECLARE
    reader oid;
BEGIN
    FOR reader IN
        SELECT granted.grantee
        FROM pg_class, aclexplode(relacl) AS granted
        WHERE pg_class.oid = 'meta_ads.meta_callbacks'::regclass AND granted.grantee <> relowner
        GROUP BY granted.grantee
        HAVING NOT bool_or(granted.privilege_type = 'INSERT')
    LOOP
        EXECUTE format(
            'REVOKE ALL ON meta_ads.meta_callbacks FROM %s',
            CASE reader WHEN 0 THEN 'PUBLIC' ELSE reader::regrole::text END
        );
    END LOOP;
END
$$;

-- The audit outlives people: the names that it kept of removed connections go, this once.
ALTER TABLE meta_ads.connection_events DISABLE TRIGGER connection_events_append_only;

UPDATE meta_ads.connection_events SET detail = detail - 'name' WHERE event = 'removed';

ALTER TABLE meta_ads.connection_events ENABLE TRIGGER connection_events_append_only;
