-- title: Where a sync's time goes
-- question: Does a sync wait for the network or for the database?
-- minimum: 5
-- account: Ad account, or all accounts
-- syncs: Syncs that ended with success or partial
-- network_seconds: Average time a sync waited for Meta
-- database_seconds: Average time a sync wrote to Postgres
-- structure_done_seconds: Average time until campaigns, ad sets and ads were in
-- insights_done_seconds: Average time until the insights were in
-- network_pct: Share of network and database time that is network
-- bottleneck: network or database, whichever takes longer
-- observations: Syncs
SELECT
    CASE WHEN grouping(run.account_id) = 1 THEN 'all accounts'
        ELSE coalesce(max(account.name), run.account_id) END AS account,
    count(*) AS syncs,
    round(avg(busy_ms - db_write_ms) / 1000, 2) AS network_seconds,
    round(avg(db_write_ms) / 1000, 2) AS database_seconds,
    round(avg(entity_fetch_ms) / 1000, 2) AS structure_done_seconds,
    round(avg(insights_fetch_ms) / 1000, 2) AS insights_done_seconds,
    round(100 * sum(busy_ms - db_write_ms) / nullif(sum(busy_ms), 0), 1) AS network_pct,
    CASE WHEN sum(busy_ms - db_write_ms) >= sum(db_write_ms) THEN 'network' ELSE 'database' END
        AS bottleneck,
    count(*) AS observations
FROM (
    -- One thread writes while others fetch: what is not writing is waiting for Meta.
    SELECT
        account_id,
        entity_fetch_ms,
        insights_fetch_ms,
        coalesce(db_write_ms, 0) AS db_write_ms,
        greatest(entity_fetch_ms, insights_fetch_ms, db_write_ms) AS busy_ms
    FROM meta_ads.sync_runs
    WHERE status IN ('success', 'partial') AND started_at >= meta_ads.report_since()
) AS run
LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
WHERE busy_ms > 0
GROUP BY GROUPING SETS ((run.account_id), ())
HAVING count(*) > 0
ORDER BY grouping(run.account_id) DESC, sum(busy_ms) DESC, account
