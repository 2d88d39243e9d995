-- title: Throttle incidents
-- question: When did Meta refuse calls, how long did it last, and were calls wasted?
-- minimum: 1
-- none: Meta refused no call in this period.
-- account: Ad account
-- started_at: First refused attempt; attempts at most an hour apart are one incident
-- blocked_minutes: From there to the next answered attempt; empty when none was answered yet
-- refused_calls: Attempts Meta refused
-- refused_in_vain: Attempts after the first: made although the block was known
-- calls_hour_before: Attempts of the account in the hour before
-- error_codes: Meta's codes, as code or code/subcode
-- endpoints: Endpoints that were refused
-- observations: Attempts Meta refused
SELECT
    coalesce(account.name, incident.account_id, 'the app') AS account,
    incident.started_at,
    round((incident.blocked_seconds / 60)::numeric, 1) AS blocked_minutes,
    incident.throttled_attempts AS refused_calls,
    incident.refused_in_vain,
    incident.calls_hour_before,
    array_to_string(incident.error_codes, ', ') AS error_codes,
    array_to_string(incident.endpoints, ', ') AS endpoints,
    incident.throttled_attempts AS observations
FROM meta_ads.throttle_incidents AS incident
LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
WHERE incident.started_at >= meta_ads.report_since()
ORDER BY incident.started_at DESC
LIMIT 50
