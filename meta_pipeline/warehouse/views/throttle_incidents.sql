-- One row per incident: throttled attempts of an account that are at most an hour apart, which is
-- the window Meta's limits roll over. What happened before, how long it lasted, what it cost.
-- account_id: Ad account, as act_<number>; null for calls that belong to no account
-- started_at: First throttled attempt
-- ended_at: Last throttled attempt
-- duration_seconds: Time between the two
-- throttled_attempts: Attempts Meta refused
-- refused_in_vain: Attempts after the first: calls that were made while the block was known
-- succeeded_meanwhile: Attempts of the account that were answered between the two
-- recovered_at: First attempt that was answered afterwards; null when there was none yet
-- blocked_seconds: From the first refusal to that answer
-- calls_hour_before: Attempts of the account in the hour before: the load that led to it
-- error_codes: Meta's codes, as code or code/subcode
-- endpoints: Endpoints that were refused
-- sync_runs: Syncs that met it
SELECT
    incident.account_id,
    incident.started_at,
    incident.ended_at,
    extract(epoch FROM incident.ended_at - incident.started_at)::float8 AS duration_seconds,
    incident.throttled_attempts,
    incident.throttled_attempts - 1 AS refused_in_vain,
    meanwhile.succeeded AS succeeded_meanwhile,
    recovery.recovered_at,
    extract(epoch FROM recovery.recovered_at - incident.started_at)::float8 AS blocked_seconds,
    before.calls AS calls_hour_before,
    incident.error_codes,
    incident.endpoints,
    incident.sync_runs
FROM (
    SELECT
        account_id,
        min("timestamp") AS started_at,
        max("timestamp") AS ended_at,
        count(*) AS throttled_attempts,
        array_agg(DISTINCT concat_ws('/', error_code, error_subcode)) AS error_codes,
        array_agg(DISTINCT endpoint_key) AS endpoints,
        count(DISTINCT sync_run_id) AS sync_runs
    FROM (
        SELECT *, count(*) FILTER (WHERE is_first) OVER (
            PARTITION BY account_id ORDER BY "timestamp", id
        ) AS incident_number
        FROM (
            SELECT id, account_id, "timestamp", error_code, error_subcode, endpoint_key,
                sync_run_id, coalesce(
                "timestamp" - lag("timestamp") OVER (
                    PARTITION BY account_id ORDER BY "timestamp", id
                ) > interval '1 hour', true
            ) AS is_first
            FROM meta_ads.meta_api_logs
            WHERE throttled
        ) AS throttled
    ) AS numbered
    GROUP BY account_id, incident_number
) AS incident
LEFT JOIN LATERAL (
    SELECT count(*) AS succeeded FROM meta_ads.meta_api_logs AS log
    WHERE log.account_id = incident.account_id AND log.status_code = 200
        AND log."timestamp" BETWEEN incident.started_at AND incident.ended_at
) AS meanwhile ON true
LEFT JOIN LATERAL (
    SELECT log."timestamp" AS recovered_at FROM meta_ads.meta_api_logs AS log
    WHERE log.account_id = incident.account_id AND log.status_code = 200
        AND log."timestamp" > incident.ended_at
    ORDER BY log."timestamp" LIMIT 1
) AS recovery ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS calls FROM meta_ads.meta_api_logs AS log
    WHERE log.account_id = incident.account_id
        AND log."timestamp" >= incident.started_at - interval '1 hour'
        AND log."timestamp" < incident.started_at
) AS before ON true
