-- Advice says itself whether it is open, so that what was settled long ago is not read to learn it.

CREATE FUNCTION meta_ads.settle_advice() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE meta_ads.advice AS given SET outcome = added.outcome
    FROM added
    WHERE given.advice_id = added.advice_id AND given.account_id = added.account_id
        AND given.outcome IS NULL;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION meta_ads.settle_advice() IS 'The first outcome of an advice is noted on it';

-- Before what was settled is noted: it waits for those who settle some now, who are seen then.
CREATE TRIGGER advice_outcomes_settle AFTER INSERT ON meta_ads.advice_outcomes
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION meta_ads.settle_advice();

ALTER TABLE meta_ads.advice ADD COLUMN outcome TEXT;

COMMENT ON COLUMN meta_ads.advice.outcome IS 'What became of it first, by advice_outcomes; null while it is open';

COMMENT ON TABLE meta_ads.advice IS 'One row per advice that was given, kept for ever; what became of it is in advice_outcomes';

-- Of two that were written at once the newest was shown until now.
UPDATE meta_ads.advice AS given SET outcome = shown.outcome
FROM (
    SELECT DISTINCT ON (advice_id) advice_id, outcome
    FROM meta_ads.advice_outcomes
    ORDER BY advice_id, at DESC, outcome
) AS shown
WHERE shown.advice_id = given.advice_id;

DROP INDEX meta_ads.advice_account_id_as_of_idx;

CREATE INDEX advice_account_id_as_of_advice_id_idx
    ON meta_ads.advice (account_id, as_of, advice_id);

CREATE INDEX advice_as_of_advice_id_idx ON meta_ads.advice (as_of, advice_id);

CREATE INDEX advice_open_idx ON meta_ads.advice (account_id, as_of, advice_id)
    WHERE outcome IS NULL;

CREATE INDEX advice_open_day_idx ON meta_ads.advice (as_of, advice_id) WHERE outcome IS NULL;
