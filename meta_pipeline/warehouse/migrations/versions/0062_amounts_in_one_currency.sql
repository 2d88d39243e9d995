-- For views that add up amounts: those of two currencies have no sum.

CREATE FUNCTION meta_ads.amount_in(currency text, amount numeric, held_in text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN amount <> 0 AND held_in <> currency THEN 'NaN' ELSE amount END;

COMMENT ON FUNCTION meta_ads.amount_in(text, numeric, text) IS
    'The amount, or NaN where it is held in another currency: a sum with it is NaN too, and null once a view shows it';
