-- Of the same advice what was given last is found by index, and not in all that was ever given.

CREATE INDEX advice_account_id_advice_key_made_at_advice_id_idx
    ON meta_ads.advice (account_id, advice_key, made_at, advice_id);
