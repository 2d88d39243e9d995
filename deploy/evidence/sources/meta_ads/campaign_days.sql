-- One row per campaign and day: amounts in the account's currency, days in its time zone. An amount
-- that is stored in another currency is null, so that nothing adds up two of them.
SELECT made.account_name, made.campaign_name, made.date_start,
       coalesce(own.currency, made.currency) AS currency,
       nullif(meta_ads.amount_in(own.currency, made.spend, made.currency), 'NaN') AS spend,
       made.results, made.purchases,
       nullif(meta_ads.amount_in(own.currency, made.revenue, made.currency), 'NaN') AS revenue,
       made.impressions, made.clicks, made.data_as_of
FROM meta_ads.daily_campaign_metrics AS made
LEFT JOIN meta_ads.meta_ad_accounts AS own USING (account_id)
WHERE made.date_start >= current_date - 90
