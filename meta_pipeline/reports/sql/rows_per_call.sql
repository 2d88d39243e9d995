-- title: Rows written per call
-- question: How much does a call bring into Postgres?
-- minimum: 10
-- account: Ad account, or all accounts
-- syncs: Syncs that made calls
-- calls: Graph API attempts of these syncs
-- rows_written: Entity and insight rows that were new or changed
-- insight_rows_read: Insight rows Meta returned
-- insight_rows_written: Those that were new or changed
-- rows_written_per_call: Rows written for each call
-- idle_syncs: Syncs that wrote nothing: everything was as before
-- observations: Graph API attempts
SELECT
    CASE WHEN grouping(run.account_id) = 1 THEN 'all accounts'
        ELSE coalesce(max(account.name), run.account_id) END AS account,
    count(*) AS syncs,
    sum(calls)::bigint AS calls,
    sum(rows_written)::bigint AS rows_written,
    sum(insights_rows_read)::bigint AS insight_rows_read,
    sum(insights_rows_written)::bigint AS insight_rows_written,
    round(sum(rows_written)::numeric / sum(calls), 1) AS rows_written_per_call,
    count(*) FILTER (WHERE rows_written = 0) AS idle_syncs,
    sum(calls)::bigint AS observations
FROM (
    SELECT
        account_id,
        meta_call_count_total AS calls,
        coalesce(insights_rows_read, 0) AS insights_rows_read,
        coalesce(insights_rows_written, 0) AS insights_rows_written,
        coalesce(insights_rows_written, 0) + coalesce(entity_rows_written, 0) AS rows_written
    FROM meta_ads.sync_runs
    WHERE started_at >= meta_ads.report_since() AND meta_call_count_total > 0
) AS run
LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
GROUP BY GROUPING SETS ((run.account_id), ())
HAVING count(*) > 0
ORDER BY grouping(run.account_id) DESC, rows_written DESC, account
