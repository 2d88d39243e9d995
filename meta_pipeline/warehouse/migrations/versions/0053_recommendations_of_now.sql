-- What Meta recommends now is found by index, however much it recommended before.

CREATE INDEX meta_recommendations_current_idx ON meta_ads.meta_recommendations (account_id)
    WHERE gone_at IS NULL;
