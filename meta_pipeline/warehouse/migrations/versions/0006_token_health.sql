-- Token health.

CREATE TABLE meta_ads.token_health (
    token_key TEXT NOT NULL,
    app_id TEXT,
    token_type TEXT,
    is_valid BOOLEAN NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    data_access_expires_at TIMESTAMP WITH TIME ZONE,
    scopes JSONB NOT NULL,
    missing_scopes JSONB NOT NULL,
    problem TEXT,
    checked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT token_health_pkey PRIMARY KEY (token_key)
);

COMMENT ON TABLE meta_ads.token_health IS 'One row per access token that Meta was asked about lately; the token itself is nowhere';

COMMENT ON COLUMN meta_ads.token_health.token_key IS 'First 16 hex digits of the token''s SHA-256';

COMMENT ON COLUMN meta_ads.token_health.app_id IS 'App the token belongs to; null when Meta did not say';

COMMENT ON COLUMN meta_ads.token_health.token_type IS 'USER, SYSTEM_USER, PAGE, ...';

COMMENT ON COLUMN meta_ads.token_health.is_valid IS 'False when Meta refuses the token';

COMMENT ON COLUMN meta_ads.token_health.expires_at IS 'End of the token; null when it has none, or Meta did not say';

COMMENT ON COLUMN meta_ads.token_health.data_access_expires_at IS 'End of its access to data; null likewise';

COMMENT ON COLUMN meta_ads.token_health.scopes IS 'What it may do, a list';

COMMENT ON COLUMN meta_ads.token_health.missing_scopes IS 'What it would have to be allowed besides, a list';

COMMENT ON COLUMN meta_ads.token_health.problem IS 'Why Meta refuses it, redacted';

COMMENT ON COLUMN meta_ads.token_health.checked_at IS 'When Meta was asked';
