-- What was not understood, first met within the last days: what comes most often first.
SELECT
    min(account_id) AS account_id,
    source,
    field,
    value,
    reason,
    sum(seen_count)::bigint AS times,
    count(DISTINCT account_id) AS accounts,
    min(sample_id) AS sample_id,
    false AS is_error,
    count(*) OVER () AS total
FROM meta_ads.unrecognized_values
WHERE first_seen_at > meta_ads.present() - make_interval(days => %(drift_days)s)
    AND NOT EXISTS (
        -- Known of another account for longer: a new account is no news of Meta's.
        SELECT FROM meta_ads.unrecognized_values AS before
        WHERE before.source = unrecognized_values.source
            AND before.field = unrecognized_values.field
            AND before.value = unrecognized_values.value
            AND before.first_seen_at <= meta_ads.present() - make_interval(days => %(drift_days)s)
    )
GROUP BY source, field, value, reason
ORDER BY times DESC, source, field, value
LIMIT %(worst)s
