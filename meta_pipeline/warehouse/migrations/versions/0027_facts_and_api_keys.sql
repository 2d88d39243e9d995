-- Facts and API keys.

CREATE TABLE meta_ads.api_keys (
    key_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL,
    scopes JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT api_keys_pkey PRIMARY KEY (key_id)
);

COMMENT ON TABLE meta_ads.api_keys IS 'One row per key that a program comes in with; the key itself is not kept';

COMMENT ON COLUMN meta_ads.api_keys.key_id IS 'The part of the key that names it';

COMMENT ON COLUMN meta_ads.api_keys.tenant IS 'Whose key it is: it sees this tenant''s rows alone';

COMMENT ON COLUMN meta_ads.api_keys.name IS 'What it is for; two keys of a name may live, for rotation';

COMMENT ON COLUMN meta_ads.api_keys.secret_sha256 IS 'SHA-256 of the secret part, in hex';

COMMENT ON COLUMN meta_ads.api_keys.scopes IS 'What it may do, a list: read, sync, facts';

COMMENT ON COLUMN meta_ads.api_keys.created_at IS 'When it was made';

COMMENT ON COLUMN meta_ads.api_keys.created_by IS 'Who made it';

COMMENT ON COLUMN meta_ads.api_keys.expires_at IS 'When it ends; null for never';

COMMENT ON COLUMN meta_ads.api_keys.last_used_at IS 'When it was last used, to the minute';

COMMENT ON COLUMN meta_ads.api_keys.revoked_at IS 'When it was taken back; null while it was not';

CREATE INDEX api_keys_tenant_name_idx ON meta_ads.api_keys (tenant, name);

CREATE TABLE meta_ads.facts (
    tenant TEXT NOT NULL,
    provider TEXT NOT NULL,
    account_id TEXT NOT NULL,
    level TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    metric TEXT NOT NULL,
    date_start DATE NOT NULL,
    hour SMALLINT NOT NULL,
    breakdown TEXT NOT NULL,
    value NUMERIC NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT facts_pkey PRIMARY KEY (tenant, provider, account_id, level, entity_id, metric, date_start, hour, breakdown),
    CONSTRAINT facts_hour_check CHECK (hour BETWEEN -1 AND 23),
    CONSTRAINT facts_level_check CHECK (level IN ('account','campaign','adset','ad'))
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.facts IS 'One row per tenant, provider, account, level, entity, metric, day, hour and breakdown';

COMMENT ON COLUMN meta_ads.facts.tenant IS 'Whose fact it is';

COMMENT ON COLUMN meta_ads.facts.provider IS 'Where it comes from, in the sender''s words: crm, shop';

COMMENT ON COLUMN meta_ads.facts.account_id IS 'Account it is about; an ad account as act_<number>';

COMMENT ON COLUMN meta_ads.facts.level IS 'account, campaign, adset or ad';

COMMENT ON COLUMN meta_ads.facts.entity_id IS 'Id at that level; the account''s own at level account';

COMMENT ON COLUMN meta_ads.facts.metric IS 'What is counted, in the sender''s words';

COMMENT ON COLUMN meta_ads.facts.date_start IS 'Day it is about, in the account''s time zone';

COMMENT ON COLUMN meta_ads.facts.hour IS 'Hour of that day, 0 to 23; -1 for all of it';

COMMENT ON COLUMN meta_ads.facts.breakdown IS 'Cell it is of, as age=25-34; empty for all';

COMMENT ON COLUMN meta_ads.facts.value IS 'The number';

COMMENT ON COLUMN meta_ads.facts.observed_at IS 'When the sender saw it; an older one never replaces it';

COMMENT ON COLUMN meta_ads.facts.received_at IS 'When this very value came';

CREATE INDEX facts_account_id_date_start_idx ON meta_ads.facts (account_id, date_start);
