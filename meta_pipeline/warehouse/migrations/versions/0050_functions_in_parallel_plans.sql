-- Functions that catch errors stay out of parallel plans where the server refuses them there.

-- Before version 17 an EXCEPTION block ends a parallel query: "cannot start subtransactions during a
-- parallel operation", in workers and in their leader, so that RESTRICTED would not do. What can fail
-- in these has no other test before version 16: whether a zone is known, whether a text is JSON.
DO $$
BEGIN
    IF current_setting('server_version_num')::int < 170000 THEN
        ALTER FUNCTION meta_ads.day_in_zone(timestamptz, text) PARALLEL UNSAFE;
        ALTER FUNCTION meta_ads.usage_of(jsonb, text) PARALLEL UNSAFE;
    END IF;
END
$$;
