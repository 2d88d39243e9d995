-- The accounts that are meant to be synced, and how late the numbers of each are: common table
-- expressions, put where a query says `/* late */`. Alerts and checks judge by it alike.
rate AS MATERIALIZED (
    -- What the limit is in each currency; of one without a rate only nothing is little.
    SELECT own.currency, limits.usd / own.usd AS per_unit
    FROM meta_ads.currency_worth AS own
    JOIN meta_ads.currency_worth AS limits ON limits.currency = %(currency)s
),
account AS (
    SELECT
        listed.account_id,
        listed.name,
        listed.is_accessible,
        listed.last_listed_at,
        numbers.read_at,
        coalesce(numbers.read_at, meta_ads.past(listed.first_seen_at)) AS late_since,
        late.by AS late_by,
        due.after AS due_after,
        late.by > due.after AS is_late,
        late.by > due.after * %(very_late)s AS is_very_late
    FROM meta_ads.meta_ad_accounts AS listed
    LEFT JOIN rate ON rate.currency = listed.currency
    LEFT JOIN LATERAL (
        SELECT fetched_at AS read_at FROM meta_ads.sync_windows
        WHERE account_id = listed.account_id AND dataset = 'insights_ad'
            AND meta_ads.past(fetched_at) IS NOT NULL
        ORDER BY date_start DESC LIMIT 1
    ) AS numbers ON true
    CROSS JOIN LATERAL (
        -- First seen in the future, by a clock ahead, it is as late as can be until it is read.
        SELECT meta_ads.present()
            - coalesce(numbers.read_at, meta_ads.past(listed.first_seen_at), '2000-01-01Z') AS by
    ) AS late
    CROSS JOIN LATERAL (
        -- Who spends little is read more rarely on purpose.
        SELECT CASE
            WHEN numbers.read_at IS NOT NULL AND coalesce(sum(spend), 0) <= %(quiet_spend)s * coalesce(rate.per_unit, 0)
                THEN %(stale_quiet)s
            ELSE %(stale)s
        END AS after
        FROM meta_ads.meta_insights
        WHERE entity_type = 'account' AND entity_id = listed.account_id
            AND date_start > meta_ads.present()::date - 8 AND date_stop = date_start
    ) AS due
    WHERE listed.account_id <> ALL (%(exclude)s::text[])
        AND (%(include)s::text[] = '{}' OR listed.account_id = ANY (%(include)s::text[]))
        -- Who was taken out of a connection's choice is not lost: nobody wants it any more.
        AND (
            listed.is_accessible
            OR coalesce(meta_ads.past(listed.last_listed_at) > (
                SELECT max(meta_ads.past(at)) FROM meta_ads.connection_events WHERE event = 'accounts_chosen'
            ), true)
            OR EXISTS (
                SELECT FROM meta_ads.connections
                WHERE state <> 'replaced'
                    AND (chosen_accounts IS NULL OR chosen_accounts @> to_jsonb(listed.account_id))
            )
        )
)
