-- The newest run of each kind is found by index.

-- From one pair of scope and status to the next, of which there are some dozens, however many runs
-- an account has.
CREATE FUNCTION meta_ads.newest_runs(account text) RETURNS TABLE (
    scope text, status text, started_at timestamptz, finished_at timestamptz, error_summary text,
    meta_call_count_total integer, not_before timestamptz, connection_id text, app_key text
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH RECURSIVE kind AS (
        (
            SELECT run.scope, run.status FROM meta_ads.sync_runs AS run
            WHERE run.account_id = account
            ORDER BY run.scope, run.status LIMIT 1
        )
        UNION ALL
        SELECT further.scope, further.status
        FROM kind CROSS JOIN LATERAL (
            SELECT run.scope, run.status FROM meta_ads.sync_runs AS run
            WHERE run.account_id = account
                AND (run.scope, run.status) > (kind.scope, kind.status)
            ORDER BY run.scope, run.status LIMIT 1
        ) AS further
    )
    SELECT
        kind.scope, kind.status, newest.started_at, newest.finished_at, newest.error_summary,
        newest.meta_call_count_total, newest.not_before, newest.connection_id, newest.app_key
    FROM kind CROSS JOIN LATERAL (
        SELECT * FROM meta_ads.sync_runs AS run
        WHERE run.account_id = account AND run.scope = kind.scope AND run.status = kind.status
            AND meta_ads.past(run.started_at) IS NOT NULL
        ORDER BY run.started_at DESC LIMIT 1
    ) AS newest
$$;

COMMENT ON FUNCTION meta_ads.newest_runs(text) IS
    'Of an account the newest run of each scope and status that does not lie in the future';
