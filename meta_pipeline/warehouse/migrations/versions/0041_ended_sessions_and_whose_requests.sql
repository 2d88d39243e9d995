-- Sessions that were ended, and for which tenant a sync was asked.

CREATE TABLE meta_ads.web_sign_outs (
    session_hash TEXT NOT NULL,
    signed_out_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT web_sign_outs_pkey PRIMARY KEY (session_hash)
);

COMMENT ON TABLE meta_ads.web_sign_outs IS 'One row per session that somebody ended lately: a copy of its cookie opens nothing';

COMMENT ON COLUMN meta_ads.web_sign_outs.session_hash IS 'SHA-256 of the session''s id';

COMMENT ON COLUMN meta_ads.web_sign_outs.signed_out_at IS 'When';

ALTER TABLE meta_ads.sync_requests ADD COLUMN tenant TEXT
    DEFAULT coalesce(nullif(current_setting('meta_ads.tenant', true), ''), 'default') NOT NULL;

COMMENT ON COLUMN meta_ads.sync_requests.tenant IS 'For which tenant it was asked: others with the same account are not told of it';
