-- One row per campaign and day: amounts in the account's currency, days in its time zone.
SELECT account_name, campaign_name, date_start, currency, spend, results, purchases, revenue,
       impressions, clicks, data_as_of
FROM meta_ads.daily_campaign_metrics
WHERE date_start >= current_date - 90
