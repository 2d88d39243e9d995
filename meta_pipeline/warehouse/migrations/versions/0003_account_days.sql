-- For views: one clock, the account's day, and numbers in text; nothing odd takes a view down.

CREATE FUNCTION meta_ads.present() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('meta_ads.now', true), '')::timestamptz, now());

COMMENT ON FUNCTION meta_ads.present() IS
    'The moment views count from: now, or what SET meta_ads.now says (simulations, tests)';

CREATE FUNCTION meta_ads.day_in_zone(moment timestamptz, zone text) RETURNS date
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (moment AT TIME ZONE coalesce(zone, 'UTC'))::date;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN (moment AT TIME ZONE 'UTC')::date;
END
$$;

COMMENT ON FUNCTION meta_ads.day_in_zone(timestamptz, text) IS
    'The day it is at that moment in an IANA zone; UTC where the zone is not known';

CREATE FUNCTION meta_ads.number_or_null(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value ~ '^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$' THEN value::numeric
END;

COMMENT ON FUNCTION meta_ads.number_or_null(text) IS
    'The number a text holds; null where it holds none, so that no row takes a query down';
