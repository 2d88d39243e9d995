-- One row per currency an ad account can have: what one unit of it is worth in US dollars, to compare
-- the spend of accounts with each other. Rates of exchange_rates of the last 7 days count, where they
-- are against USD or EUR; else the reference rate that comes with this version, of 2026-09-29. For
-- ranking accounts only: amounts in reports are converted with the rates of their own days
-- currency: ISO code
-- usd: US dollars that one unit is worth
-- rate_date: Day of the rate
-- source: exchange_rates (loaded by you) or reference (comes with this version)
WITH reference (currency, per_usd) AS (
    VALUES
        ('AED', 3.672), ('ARS', 1525), ('AUD', 1.425), ('BDT', 123.2), ('BOB', 12.16),
        ('BRL', 5.224), ('CAD', 1.419), ('CHF', 0.8334), ('CLP', 967.7), ('CNY', 6.708),
        ('COP', 3369), ('CRC', 455.2), ('CZK', 21.47), ('DKK', 6.58), ('DZD', 133.8),
        ('EGP', 52.05), ('EUR', 0.8802), ('GBP', 0.7554), ('GTQ', 7.636), ('HKD', 7.845),
        ('HNL', 26.87), ('HUF', 323.5), ('IDR', 18020), ('ILS', 3.074), ('INR', 96.09),
        ('ISK', 120.6), ('JPY', 157.5), ('KES', 129.7), ('KRW', 1358), ('LKR', 330.9),
        ('MOP', 8.08), ('MXN', 18.01), ('MYR', 4.083), ('NGN', 1326), ('NIO', 36.72),
        ('NOK', 9.547), ('NZD', 1.767), ('PEN', 3.416), ('PHP', 62.52), ('PKR', 277.1),
        ('PLN', 3.849), ('PYG', 5884), ('QAR', 3.64), ('RON', 4.646), ('SAR', 3.75),
        ('SEK', 9.98), ('SGD', 1.279), ('THB', 33.63), ('TRY', 49), ('TWD', 31.85),
        ('UAH', 44.92), ('USD', 1), ('UYU', 40.1), ('VND', 25950), ('ZAR', 16.44)
),
-- A currency's worth in another one: every stored pair, and the same turned round.
pair AS (
    SELECT base_currency AS currency, quote_currency AS hub, rate, rate_date
    FROM meta_ads.exchange_rates
    WHERE rate_date > meta_ads.present()::date - 8
    UNION ALL
    SELECT quote_currency, base_currency, 1 / rate, rate_date
    FROM meta_ads.exchange_rates
    WHERE rate_date > meta_ads.present()::date - 8
),
direct AS (
    SELECT DISTINCT ON (currency) currency, rate AS usd, rate_date
    FROM pair
    WHERE hub = 'USD' AND currency <> 'USD'
    ORDER BY currency, rate_date DESC
),
hub AS (
    SELECT coalesce(direct.usd, 1 / reference.per_usd) AS usd
    FROM reference LEFT JOIN direct ON direct.currency = reference.currency
    WHERE reference.currency = 'EUR'
),
through AS (
    SELECT DISTINCT ON (currency) currency, rate * hub.usd AS usd, rate_date
    FROM pair CROSS JOIN hub
    WHERE pair.hub = 'EUR' AND currency NOT IN ('EUR', 'USD')
    ORDER BY currency, rate_date DESC
),
own AS (
    SELECT DISTINCT ON (currency) currency, usd, rate_date
    FROM (
        SELECT currency, usd, rate_date, 1 AS rank FROM direct
        UNION ALL
        SELECT currency, usd, rate_date, 2 FROM through
    ) AS known
    ORDER BY currency, rank
)
SELECT
    currency,
    coalesce(own.usd, 1 / reference.per_usd) AS usd,
    coalesce(own.rate_date, DATE '2026-09-29') AS rate_date,
    CASE WHEN own.usd IS NULL THEN 'reference' ELSE 'exchange_rates' END AS source
FROM reference FULL JOIN own USING (currency)
