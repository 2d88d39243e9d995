-- Advice measured.

CREATE TABLE meta_ads.advice_judgements (
    account_id TEXT NOT NULL,
    judged_at TIMESTAMP WITH TIME ZONE NOT NULL,
    as_of DATE NOT NULL,
    given INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    reviewed INTEGER NOT NULL,
    closed JSONB NOT NULL,
    CONSTRAINT advice_judgements_pkey PRIMARY KEY (account_id)
);

COMMENT ON TABLE meta_ads.advice_judgements IS 'One row per ad account whose rules were asked: when, and which gates were closed';

COMMENT ON COLUMN meta_ads.advice_judgements.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.advice_judgements.judged_at IS 'When the rules were asked last';

COMMENT ON COLUMN meta_ads.advice_judgements.as_of IS 'The account''s day then';

COMMENT ON COLUMN meta_ads.advice_judgements.given IS 'Advice that was new';

COMMENT ON COLUMN meta_ads.advice_judgements.kept IS 'Advice that was said before';

COMMENT ON COLUMN meta_ads.advice_judgements.settled IS 'Advice that ended';

COMMENT ON COLUMN meta_ads.advice_judgements.reviewed IS 'Advice whose outcome was measured';

COMMENT ON COLUMN meta_ads.advice_judgements.closed IS 'Gates that were closed: kind, entity, gate, sentence';

CREATE TABLE meta_ads.advice_reviews (
    advice_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    sentence TEXT NOT NULL,
    numbers JSONB NOT NULL,
    reviewed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT advice_reviews_pkey PRIMARY KEY (advice_id),
    CONSTRAINT advice_reviews_verdict_check CHECK (verdict IN ('better','worse','same','unknown'))
);

COMMENT ON TABLE meta_ads.advice_reviews IS 'One row per advice whose review date is over: what its numbers did; never changed';

COMMENT ON COLUMN meta_ads.advice_reviews.advice_id IS 'The advice';

COMMENT ON COLUMN meta_ads.advice_reviews.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.advice_reviews.verdict IS 'better, worse, same or unknown, beside the days before';

COMMENT ON COLUMN meta_ads.advice_reviews.sentence IS 'What was measured, in a sentence';

COMMENT ON COLUMN meta_ads.advice_reviews.numbers IS 'The numbers of both sides; amounts in major units';

COMMENT ON COLUMN meta_ads.advice_reviews.reviewed_at IS 'When it was measured';

CREATE INDEX advice_reviews_account_id_idx ON meta_ads.advice_reviews (account_id);
