-- One row per budget that is not deleted (campaign or ad set), with what it spent against what was
-- due by now. A daily budget counts its last whole days, at most seven; a lifetime budget the part
-- of its schedule that is over. No pace while paused, before the start, and on the first day
-- account_id: Ad account, as act_<number>
-- entity_type: campaign or adset: where the budget is set
-- entity_id: Campaign or ad set id
-- entity_name: Its name
-- effective_status: What is true after parents, review and billing
-- budget_kind: daily or lifetime
-- budget: Budget in major units
-- currency: Currency of the amounts
-- starts_on: First day of the schedule in the account's zone
-- ends_on: Last day of the schedule; null for open-ended
-- state: on pace (80 to 120 percent), under, over, first day, not started, paused, ended, no end, or
-- other currency: some of what it spent is stored in another one
-- days_counted: Whole days a daily budget is judged by; days since the start for a lifetime budget
-- spent: Spend in these days; of a lifetime budget all that Meta says is gone, in major units; null
-- where some of it is stored in another currency
-- due: What an even pace would have spent by now; null without a pace
-- pacing_pct: Spent in percent of due; null without a pace
WITH accounts AS NOT MATERIALIZED (
    SELECT
        account_id,
        currency,
        timezone_name,
        meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
    FROM meta_ads.meta_ad_accounts
),

budgets AS (
    SELECT
        'campaign' AS entity_type,
        campaign_id AS entity_id,
        account_id,
        name,
        effective_status,
        daily_budget,
        lifetime_budget,
        budget_remaining,
        currency,
        coalesce(start_time, created_time) AS start_time,
        stop_time AS end_time
    FROM meta_ads.meta_campaigns
    WHERE NOT is_deleted AND (daily_budget > 0 OR lifetime_budget > 0)
    UNION ALL
    SELECT
        'adset',
        adset_id,
        account_id,
        name,
        effective_status,
        daily_budget,
        lifetime_budget,
        budget_remaining,
        currency,
        coalesce(start_time, created_time),
        end_time
    FROM meta_ads.meta_adsets
    WHERE NOT is_deleted AND (daily_budget > 0 OR lifetime_budget > 0)
),

dated AS NOT MATERIALIZED (
    SELECT
        budgets.*,
        CASE WHEN daily_budget > 0 THEN 'daily' ELSE 'lifetime' END AS budget_kind,
        CASE WHEN daily_budget > 0 THEN daily_budget ELSE lifetime_budget END AS budget,
        coalesce(budgets.currency, account.currency) AS money,
        account.today,
        meta_ads.day_in_zone(budgets.start_time, account.timezone_name) AS starts_on,
        meta_ads.day_in_zone(budgets.end_time, account.timezone_name) AS ends_on
    FROM budgets
    INNER JOIN accounts AS account ON account.account_id = budgets.account_id
),

-- Nothing is spent before its start, so the sums need not look at each schedule.
lately AS (
    SELECT
        'campaign' AS entity_type,
        made.campaign_id AS entity_id,
        made.account_id,
        sum(meta_ads.amount_in(coalesce(entity.currency, account.currency), made.spend, made.currency)) AS spent_7d
    FROM meta_ads.campaign_rollups AS made
    INNER JOIN accounts AS account
        ON account.account_id = made.account_id
        AND made.date_start BETWEEN account.today - 7 AND account.today - 1
    LEFT JOIN meta_ads.meta_campaigns AS entity ON entity.campaign_id = made.campaign_id
    GROUP BY made.account_id, made.campaign_id
    UNION ALL
    SELECT
        'adset',
        made.adset_id,
        made.account_id,
        sum(meta_ads.amount_in(coalesce(entity.currency, account.currency), made.spend, made.currency))
    FROM meta_ads.adset_rollups AS made
    INNER JOIN accounts AS account
        ON account.account_id = made.account_id
        AND made.date_start BETWEEN account.today - 7 AND account.today - 1
    LEFT JOIN meta_ads.meta_adsets AS entity ON entity.adset_id = made.adset_id
    GROUP BY made.account_id, made.adset_id
),

-- All days are added up for those alone of which Meta does not say what is left.
ever AS (
    SELECT
        dated.entity_type,
        dated.entity_id,
        dated.account_id,
        sum(meta_ads.amount_in(dated.money, made.spend, made.currency)) AS spent_ever
    FROM dated
    INNER JOIN meta_ads.campaign_rollups AS made
        ON made.account_id = dated.account_id
        AND made.campaign_id = dated.entity_id
    WHERE dated.entity_type = 'campaign' AND dated.budget_kind = 'lifetime' AND dated.budget_remaining IS NULL
    GROUP BY dated.account_id, dated.entity_type, dated.entity_id
    UNION ALL
    SELECT
        dated.entity_type,
        dated.entity_id,
        dated.account_id,
        sum(meta_ads.amount_in(dated.money, made.spend, made.currency))
    FROM dated
    INNER JOIN meta_ads.adset_rollups AS made
        ON made.account_id = dated.account_id
        AND made.adset_id = dated.entity_id
    WHERE dated.entity_type = 'adset' AND dated.budget_kind = 'lifetime' AND dated.budget_remaining IS NULL
    GROUP BY dated.account_id, dated.entity_type, dated.entity_id
),

spending AS (
    SELECT
        dated.*,
        CASE WHEN dated.budget_kind = 'daily'
            THEN coalesce(lately.spent_7d, 0)
            ELSE coalesce(dated.budget - dated.budget_remaining, ever.spent_ever, 0)
        END AS spent,
        CASE WHEN dated.budget_kind = 'daily'
            THEN least(7, coalesce(today - starts_on, 7)) ELSE today - starts_on + 1
        END AS days,
        CASE
            WHEN dated.effective_status NOT IN ('ACTIVE', 'WITH_ISSUES', 'IN_PROCESS') THEN 'paused'
            WHEN starts_on > today THEN 'not started'
            WHEN meta_ads.present() >= end_time THEN 'ended'
            WHEN starts_on = today THEN 'first day'
            WHEN budget_kind = 'lifetime' AND (end_time IS NULL OR start_time IS NULL)
                THEN 'no end'
        END AS without_pace
    FROM dated
    LEFT JOIN lately
        ON lately.account_id = dated.account_id
        AND lately.entity_type = dated.entity_type
        AND lately.entity_id = dated.entity_id
    LEFT JOIN ever
        ON ever.account_id = dated.account_id
        AND ever.entity_type = dated.entity_type
        AND ever.entity_id = dated.entity_id
),

due AS (
    SELECT
        spending.*,
        CASE
            WHEN without_pace IS NOT NULL THEN NULL
            WHEN budget_kind = 'daily' THEN budget * days
            ELSE budget * extract(epoch FROM meta_ads.present() - start_time)
                / nullif(extract(epoch FROM end_time - start_time), 0)
        END AS due_by_now
    FROM spending
)

SELECT
    account_id,
    entity_type,
    entity_id,
    name AS entity_name,
    effective_status,
    budget_kind,
    budget,
    money AS currency,
    starts_on,
    ends_on,
    coalesce(without_pace, CASE
        WHEN spent = 'NaN' THEN 'other currency'
        WHEN spent < 0.8 * due_by_now THEN 'under'
        WHEN spent > 1.2 * due_by_now THEN 'over'
        ELSE 'on pace'
    END) AS state,
    greatest(coalesce(days, 0), 0) AS days_counted,
    nullif(spent, 'NaN') AS spent,
    round(due_by_now, 4) AS due,
    nullif(round(100 * spent / nullif(due_by_now, 0), 2), 'NaN') AS pacing_pct
FROM due
