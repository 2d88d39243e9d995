-- Numbers in text are bounded; changes of an entity are put together from the newest back.

-- 1e999999 is no numeric, 1e400 no double precision, and neither is a count of Meta's.
CREATE OR REPLACE FUNCTION meta_ads.number_or_null(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value ~ '^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,2})?$' THEN value::numeric
END;

CREATE AGGREGATE meta_ads.jsonb_merged(jsonb) (
    SFUNC = pg_catalog.jsonb_concat, STYPE = jsonb, INITCOND = '{}', PARALLEL = SAFE
);

COMMENT ON AGGREGATE meta_ads.jsonb_merged(jsonb) IS
    'All keys of the objects, each as the last object has it; an empty object where there is none';
