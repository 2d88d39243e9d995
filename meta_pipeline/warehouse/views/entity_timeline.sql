-- One row per thing that happened to a campaign, ad set, ad or account: changes a sync saw, and
-- Meta's own change log, in one list; who did it where Meta tells
-- account_id: Ad account, as act_<number>
-- happened_at: When it happened; for changes a sync saw, when it saw them
-- source: sync (seen between two syncs) or meta (Meta's change log)
-- entity_type: account, campaign, adset, ad or what Meta calls it
-- entity_id: What was changed
-- entity_name: Its name
-- what: Column that changed, or what Meta says happened
-- old_value: Value before; null when absent
-- new_value: Value after; null when absent
-- who: Who changed it; null where Meta does not tell
-- with_application: App it was changed with
-- sync_run_id: The sync that saw it
SELECT
    change.account_id,
    change.seen_at AS happened_at,
    'sync' AS source,
    change.entity_type,
    change.entity_id,
    coalesce(campaign.name, adset.name, ad.name) AS entity_name,
    change.field AS what,
    change.old_value,
    change.new_value,
    NULL::text AS who,
    NULL::text AS with_application,
    change.sync_run_id
FROM meta_ads.entity_changes AS change
LEFT JOIN meta_ads.meta_campaigns AS campaign
    ON change.entity_type = 'campaign' AND campaign.campaign_id = change.entity_id
LEFT JOIN meta_ads.meta_adsets AS adset
    ON change.entity_type = 'adset' AND adset.adset_id = change.entity_id
LEFT JOIN meta_ads.meta_ads AS ad
    ON change.entity_type = 'ad' AND ad.ad_id = change.entity_id
UNION ALL
SELECT
    activity.account_id,
    activity.event_time,
    'meta',
    CASE upper(activity.object_type)
        WHEN 'AD_SET' THEN 'adset'
        WHEN 'ADSET' THEN 'adset'
        WHEN 'CAMPAIGN_GROUP' THEN 'campaign'
        WHEN 'ADGROUP' THEN 'ad'
        ELSE lower(activity.object_type)
    END,
    activity.object_id,
    activity.object_name,
    coalesce(activity.translated_event_type, activity.event_type),
    CASE jsonb_typeof(activity.extra_data) WHEN 'object'
        THEN activity.extra_data ->> 'old_value'
    END,
    CASE jsonb_typeof(activity.extra_data) WHEN 'object'
        THEN activity.extra_data ->> 'new_value'
    END,
    activity.actor_name,
    activity.application_name,
    NULL
FROM meta_ads.meta_activities AS activity
