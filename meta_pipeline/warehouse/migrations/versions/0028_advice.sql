-- Advice.

CREATE TABLE meta_ads.advice (
    advice_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    advice_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    entity_name TEXT,
    entity_ids JSONB NOT NULL,
    what TEXT NOT NULL,
    why TEXT NOT NULL,
    numbers JSONB NOT NULL,
    method TEXT NOT NULL,
    doubt TEXT NOT NULL,
    confidence NUMERIC,
    expected_effect TEXT NOT NULL,
    as_of DATE NOT NULL,
    review_on DATE NOT NULL,
    ads_manager_url TEXT NOT NULL,
    supersedes TEXT,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT advice_pkey PRIMARY KEY (advice_id)
);

COMMENT ON TABLE meta_ads.advice IS 'One row per advice that was given; rows never change, what became of it is in advice_outcomes';

COMMENT ON COLUMN meta_ads.advice.advice_id IS 'Hash of account, key and day';

COMMENT ON COLUMN meta_ads.advice.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.advice.advice_key IS 'The same for the same advice on another day';

COMMENT ON COLUMN meta_ads.advice.kind IS 'delivery, learning_limited, pause, scale, fatigue, pacing, ...';

COMMENT ON COLUMN meta_ads.advice.severity IS 'low, medium or high: how much it costs to wait';

COMMENT ON COLUMN meta_ads.advice.entity_type IS 'account, campaign, adset or ad';

COMMENT ON COLUMN meta_ads.advice.entity_id IS 'What it is about';

COMMENT ON COLUMN meta_ads.advice.entity_name IS 'Its name at the time';

COMMENT ON COLUMN meta_ads.advice.entity_ids IS 'Everything it is about, a list of ids';

COMMENT ON COLUMN meta_ads.advice.what IS 'What to do, in a sentence';

COMMENT ON COLUMN meta_ads.advice.why IS 'Why, in a sentence';

COMMENT ON COLUMN meta_ads.advice.numbers IS 'What it rests on; amounts in major units of the account';

COMMENT ON COLUMN meta_ads.advice.method IS 'How the numbers were weighed';

COMMENT ON COLUMN meta_ads.advice.doubt IS 'What speaks against it';

COMMENT ON COLUMN meta_ads.advice.confidence IS 'Probability, 0 to 1; null where it is a fact or was not weighed';

COMMENT ON COLUMN meta_ads.advice.expected_effect IS 'What following it should bring';

COMMENT ON COLUMN meta_ads.advice.as_of IS 'Day it was given, in the account''s zone';

COMMENT ON COLUMN meta_ads.advice.review_on IS 'Day from which its outcome can be seen';

COMMENT ON COLUMN meta_ads.advice.ads_manager_url IS 'The entity in Ads Manager';

COMMENT ON COLUMN meta_ads.advice.supersedes IS 'The advice it takes the place of';

COMMENT ON COLUMN meta_ads.advice.made_at IS 'When it was written';

CREATE INDEX advice_account_id_as_of_idx ON meta_ads.advice (account_id, as_of);

CREATE TABLE meta_ads.advice_outcomes (
    advice_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    account_id TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    by TEXT,
    reason TEXT,
    CONSTRAINT advice_outcomes_pkey PRIMARY KEY (advice_id, outcome),
    CONSTRAINT advice_outcomes_outcome_check CHECK (outcome IN ('dismissed','followed','expired','superseded'))
);

COMMENT ON TABLE meta_ads.advice_outcomes IS 'One row per thing that became of an advice; one that has none of them is open';

COMMENT ON COLUMN meta_ads.advice_outcomes.advice_id IS 'The advice';

COMMENT ON COLUMN meta_ads.advice_outcomes.outcome IS 'dismissed, followed, expired or superseded';

COMMENT ON COLUMN meta_ads.advice_outcomes.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.advice_outcomes.at IS 'When';

COMMENT ON COLUMN meta_ads.advice_outcomes.by IS 'Who said so: a person, or the rules';

COMMENT ON COLUMN meta_ads.advice_outcomes.reason IS 'Why, in a sentence';

CREATE INDEX advice_outcomes_account_id_idx ON meta_ads.advice_outcomes (account_id);

COMMENT ON COLUMN meta_ads.connection_events.event IS 'added, replaced, checked, expired, revoked, renewed, renewal_failed, token_revoked, resealed, removed, deauthorized, data_deleted';
