-- The tables of the daily metrics become rollups; their names become views that have the names of
-- campaigns, ad sets and ads too. What others built on the tables follows them; who was granted rights
-- on a table has them on the view as well. The views are made whole with all others.

ALTER TABLE meta_ads.daily_ad_metrics RENAME TO ad_rollups;
ALTER INDEX meta_ads.daily_ad_metrics_pkey RENAME TO ad_rollups_pkey;
ALTER INDEX meta_ads.daily_ad_metrics_ad_id_date_start_idx RENAME TO ad_rollups_ad_id_date_start_idx;
CREATE VIEW meta_ads.daily_ad_metrics AS SELECT * FROM meta_ads.ad_rollups;

ALTER TABLE meta_ads.daily_adset_metrics RENAME TO adset_rollups;
ALTER INDEX meta_ads.daily_adset_metrics_pkey RENAME TO adset_rollups_pkey;
CREATE VIEW meta_ads.daily_adset_metrics AS SELECT * FROM meta_ads.adset_rollups;

ALTER TABLE meta_ads.daily_campaign_metrics RENAME TO campaign_rollups;
ALTER INDEX meta_ads.daily_campaign_metrics_pkey RENAME TO campaign_rollups_pkey;
CREATE VIEW meta_ads.daily_campaign_metrics AS SELECT * FROM meta_ads.campaign_rollups;

COMMENT ON TABLE meta_ads.ad_rollups IS 'One row per ad and day with delivery, conversions counted by the metric dictionary; read it as daily_ad_metrics, which has the names too';

COMMENT ON TABLE meta_ads.adset_rollups IS 'One row per ad set and day with delivery: the sum of its ads; read it as daily_adset_metrics, which has the names too';

COMMENT ON TABLE meta_ads.campaign_rollups IS 'One row per campaign and day with delivery: the sum of its ads; read it as daily_campaign_metrics, which has the names too';

DO $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT level, privilege_type AS privilege,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
        FROM unnest(ARRAY['ad', 'adset', 'campaign']) AS level
        JOIN pg_class AS made ON made.oid = to_regclass('meta_ads.' || level || '_rollups')
        CROSS JOIN LATERAL aclexplode(made.relacl) AS acl
        WHERE acl.grantee <> made.relowner AND acl.privilege_type = 'SELECT'
    LOOP
        EXECUTE format(
            'GRANT %s ON meta_ads.daily_%s_metrics TO %s', given.privilege, given.level, given.grantee
        );
    END LOOP;
END
$$;
