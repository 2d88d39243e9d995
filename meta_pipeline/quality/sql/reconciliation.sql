-- Days whose ad rows contradict the account's own row, as last compared: the biggest amount first.
-- An old day is looked at for as long as a young one, from when it was compared.
SELECT
    day.account_id,
    day.date_start::text AS day,
    day.spend_ads::float8,
    day.spend_account::float8,
    round(day.spend_difference_pct, 2)::float8 AS difference_pct,
    day.impressions_ads - day.impressions_account AS impressions_apart,
    left(day.explanation, 300) AS explanation,
    abs(coalesce(day.spend_difference_pct, 100)) > %(tolerance_pct)s AS is_error,
    count(*) OVER () AS total
FROM meta_ads.reconciliations AS day
WHERE day.status = 'differs'
    AND (
        day.date_start > meta_ads.present()::date - %(days)s::int
        OR day.checked_at > meta_ads.present() - make_interval(days => %(days)s)
    )
ORDER BY abs(coalesce(day.spend_difference_pct, 100)) DESC, day.date_start DESC, day.account_id
LIMIT %(worst)s
