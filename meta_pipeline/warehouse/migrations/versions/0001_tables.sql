-- Tables.

CREATE TABLE meta_ads.entity_changes (
    change_id BIGINT GENERATED ALWAYS AS IDENTITY,
    account_id TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    field TEXT NOT NULL,
    old_value TEXT,
    new_value TEXT,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    sync_run_id TEXT,
    CONSTRAINT entity_changes_pkey PRIMARY KEY (change_id)
);

COMMENT ON TABLE meta_ads.entity_changes IS 'One row per changed field of an entity, as seen between two syncs';

COMMENT ON COLUMN meta_ads.entity_changes.change_id IS 'Running number';

COMMENT ON COLUMN meta_ads.entity_changes.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.entity_changes.entity_type IS 'campaign, adset or ad';

COMMENT ON COLUMN meta_ads.entity_changes.entity_id IS 'Id of the entity';

COMMENT ON COLUMN meta_ads.entity_changes.field IS 'Column that changed';

COMMENT ON COLUMN meta_ads.entity_changes.old_value IS 'Value before; null when it was absent';

COMMENT ON COLUMN meta_ads.entity_changes.new_value IS 'Value after; null when it is absent now';

COMMENT ON COLUMN meta_ads.entity_changes.seen_at IS 'When the sync saw the new value';

COMMENT ON COLUMN meta_ads.entity_changes.sync_run_id IS 'The sync that saw it';

CREATE INDEX entity_changes_account_id_seen_at_idx ON meta_ads.entity_changes (account_id, seen_at);

CREATE INDEX entity_changes_entity_id_seen_at_idx ON meta_ads.entity_changes (entity_id, seen_at);

CREATE TABLE meta_ads.insights_changes (
    change_id BIGINT GENERATED ALWAYS AS IDENTITY,
    account_id TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    date_start DATE NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE NOT NULL,
    age_days NUMERIC,
    rows_new BIGINT,
    rows_changed BIGINT,
    spend_before NUMERIC,
    spend_after NUMERIC,
    impressions_before BIGINT,
    impressions_after BIGINT,
    clicks_before BIGINT,
    clicks_after BIGINT,
    actions_before NUMERIC,
    actions_after NUMERIC,
    sync_run_id TEXT,
    CONSTRAINT insights_changes_pkey PRIMARY KEY (change_id)
);

COMMENT ON TABLE meta_ads.insights_changes IS 'One row per account, level and day for each read that moved its numbers';

COMMENT ON COLUMN meta_ads.insights_changes.change_id IS 'Running number';

COMMENT ON COLUMN meta_ads.insights_changes.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.insights_changes.entity_type IS 'Level that was read';

COMMENT ON COLUMN meta_ads.insights_changes.date_start IS 'Day whose numbers moved';

COMMENT ON COLUMN meta_ads.insights_changes.read_at IS 'When the new numbers were read';

COMMENT ON COLUMN meta_ads.insights_changes.age_days IS 'Age of the day at that moment, from its end in the account''s zone';

COMMENT ON COLUMN meta_ads.insights_changes.rows_new IS 'Rows that were not there before';

COMMENT ON COLUMN meta_ads.insights_changes.rows_changed IS 'Rows whose numbers moved';

COMMENT ON COLUMN meta_ads.insights_changes.spend_before IS 'Spend of the day before the read';

COMMENT ON COLUMN meta_ads.insights_changes.spend_after IS 'Spend of the day after the read';

COMMENT ON COLUMN meta_ads.insights_changes.impressions_before IS 'Impressions before';

COMMENT ON COLUMN meta_ads.insights_changes.impressions_after IS 'Impressions after';

COMMENT ON COLUMN meta_ads.insights_changes.clicks_before IS 'Clicks before';

COMMENT ON COLUMN meta_ads.insights_changes.clicks_after IS 'Clicks after';

COMMENT ON COLUMN meta_ads.insights_changes.actions_before IS 'Sum of all action values before: a measure of movement only';

COMMENT ON COLUMN meta_ads.insights_changes.actions_after IS 'Sum of all action values after';

COMMENT ON COLUMN meta_ads.insights_changes.sync_run_id IS 'The sync that read it';

CREATE INDEX insights_changes_account_id_date_start_idx ON meta_ads.insights_changes (account_id, date_start);

CREATE TABLE meta_ads.meta_activities (
    activity_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    event_time TIMESTAMP WITH TIME ZONE NOT NULL,
    event_type TEXT,
    translated_event_type TEXT,
    object_id TEXT,
    object_type TEXT,
    object_name TEXT,
    actor_id TEXT,
    actor_name TEXT,
    application_name TEXT,
    extra_data JSONB,
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT meta_activities_pkey PRIMARY KEY (activity_id)
);

COMMENT ON TABLE meta_ads.meta_activities IS 'One row per change somebody made in the account, as Meta''s change log tells it';

COMMENT ON COLUMN meta_ads.meta_activities.activity_id IS 'Hash of the event: Meta gives no id';

COMMENT ON COLUMN meta_ads.meta_activities.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_activities.event_time IS 'When it happened';

COMMENT ON COLUMN meta_ads.meta_activities.event_type IS 'For example update_campaign_budget';

COMMENT ON COLUMN meta_ads.meta_activities.translated_event_type IS 'The same in words';

COMMENT ON COLUMN meta_ads.meta_activities.object_id IS 'What was changed';

COMMENT ON COLUMN meta_ads.meta_activities.object_type IS 'CAMPAIGN, AD_SET, AD, ACCOUNT, ...';

COMMENT ON COLUMN meta_ads.meta_activities.object_name IS 'Its name at the time';

COMMENT ON COLUMN meta_ads.meta_activities.actor_id IS 'Who changed it';

COMMENT ON COLUMN meta_ads.meta_activities.actor_name IS 'Name of who changed it';

COMMENT ON COLUMN meta_ads.meta_activities.application_name IS 'App it was changed with';

COMMENT ON COLUMN meta_ads.meta_activities.extra_data IS 'Old and new values as Meta tells them';

COMMENT ON COLUMN meta_ads.meta_activities.data_as_of IS 'When Meta gave this row';

CREATE INDEX meta_activities_account_id_event_time_idx ON meta_ads.meta_activities (account_id, event_time);

CREATE INDEX meta_activities_object_id_event_time_idx ON meta_ads.meta_activities (object_id, event_time);

CREATE TABLE meta_ads.meta_ad_accounts (
    account_id TEXT NOT NULL,
    name TEXT,
    account_status INTEGER,
    disable_reason INTEGER,
    currency TEXT,
    timezone_name TEXT,
    amount_spent NUMERIC,
    balance NUMERIC,
    spend_cap NUMERIC,
    min_daily_budget NUMERIC,
    business_id TEXT,
    business_name TEXT,
    owner_id TEXT,
    created_time TIMESTAMP WITH TIME ZONE,
    is_accessible BOOLEAN DEFAULT true NOT NULL,
    last_listed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    is_simulated BOOLEAN DEFAULT false NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_ad_accounts_pkey PRIMARY KEY (account_id)
);

COMMENT ON TABLE meta_ads.meta_ad_accounts IS 'One row per ad account the token can see, or could once see';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.name IS 'Account name';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.account_status IS '1 active, 2 disabled, 3 unsettled, 7 risk review, 9 grace, 101 closed';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.disable_reason IS 'Meta''s number for why it is disabled; 0 for none';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.currency IS 'ISO code of the currency every amount of this account is in';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.timezone_name IS 'IANA zone in which the account''s days are counted';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.amount_spent IS 'Spent so far towards the spend cap, in major units';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.balance IS 'Amount due, in major units';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.spend_cap IS 'Spend cap in major units; null for none';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.min_daily_budget IS 'Smallest daily budget Meta accepts, in major units';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.business_id IS 'Owning business';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.business_name IS 'Name of the owning business';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.owner_id IS 'Owner as Meta names it';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.created_time IS 'When the account was opened';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.is_accessible IS 'False when the token lost the account; it is kept and marked';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.last_listed_at IS 'When the account was last in Meta''s list';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.is_simulated IS 'True when the rows came from a host that is not Meta''s';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.data_as_of IS 'When Meta gave these very values; reads that found the same are in last_listed_at';

COMMENT ON COLUMN meta_ads.meta_ad_accounts.extra IS 'Fields Meta sent that have no column of their own';

CREATE TABLE meta_ads.meta_ads (
    ad_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    campaign_id TEXT,
    adset_id TEXT,
    name TEXT,
    status TEXT,
    configured_status TEXT,
    effective_status TEXT,
    creative_id TEXT,
    source_ad_id TEXT,
    conversion_domain TEXT,
    tracking_specs JSONB,
    conversion_specs JSONB,
    ad_review_feedback JSONB,
    created_time TIMESTAMP WITH TIME ZONE,
    updated_time TIMESTAMP WITH TIME ZONE,
    issues_info JSONB,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    deleted_seen_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_ads_pkey PRIMARY KEY (ad_id)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.meta_ads IS 'One row per ad, also paused, archived and deleted ones';

COMMENT ON COLUMN meta_ads.meta_ads.ad_id IS 'Ad id';

COMMENT ON COLUMN meta_ads.meta_ads.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_ads.campaign_id IS 'Campaign it belongs to';

COMMENT ON COLUMN meta_ads.meta_ads.adset_id IS 'Ad set it belongs to';

COMMENT ON COLUMN meta_ads.meta_ads.name IS 'Ad name';

COMMENT ON COLUMN meta_ads.meta_ads.status IS 'What the advertiser chose: ACTIVE, PAUSED, DELETED, ARCHIVED';

COMMENT ON COLUMN meta_ads.meta_ads.configured_status IS 'Mirror of status in current API versions';

COMMENT ON COLUMN meta_ads.meta_ads.effective_status IS 'What is true after parents, review and billing; see docs';

COMMENT ON COLUMN meta_ads.meta_ads.creative_id IS 'Creative the ad shows';

COMMENT ON COLUMN meta_ads.meta_ads.source_ad_id IS 'Ad it was copied from; null for none';

COMMENT ON COLUMN meta_ads.meta_ads.conversion_domain IS 'Domain where conversions happen';

COMMENT ON COLUMN meta_ads.meta_ads.tracking_specs IS 'What is tracked';

COMMENT ON COLUMN meta_ads.meta_ads.conversion_specs IS 'What counts as a conversion';

COMMENT ON COLUMN meta_ads.meta_ads.ad_review_feedback IS 'Why review refused it';

COMMENT ON COLUMN meta_ads.meta_ads.created_time IS 'When it was created';

COMMENT ON COLUMN meta_ads.meta_ads.updated_time IS 'Last change as Meta tells it';

COMMENT ON COLUMN meta_ads.meta_ads.issues_info IS 'Delivery problems as Meta reports them';

COMMENT ON COLUMN meta_ads.meta_ads.is_deleted IS 'True once Meta says DELETED or no longer lists it; the row stays';

COMMENT ON COLUMN meta_ads.meta_ads.deleted_seen_at IS 'When the deletion was first seen here';

COMMENT ON COLUMN meta_ads.meta_ads.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_ads.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_cursor';

COMMENT ON COLUMN meta_ads.meta_ads.extra IS 'Fields Meta sent that have no column of their own';

CREATE INDEX meta_ads_account_id_idx ON meta_ads.meta_ads (account_id);

CREATE INDEX meta_ads_adset_id_idx ON meta_ads.meta_ads (adset_id);

CREATE INDEX meta_ads_campaign_id_idx ON meta_ads.meta_ads (campaign_id);

CREATE TABLE meta_ads.meta_adsets (
    adset_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    campaign_id TEXT,
    name TEXT,
    status TEXT,
    configured_status TEXT,
    effective_status TEXT,
    optimization_goal TEXT,
    billing_event TEXT,
    bid_strategy TEXT,
    bid_amount NUMERIC,
    daily_budget NUMERIC,
    lifetime_budget NUMERIC,
    budget_remaining NUMERIC,
    currency TEXT,
    destination_type TEXT,
    targeting_summary TEXT,
    targeting JSONB,
    promoted_object JSONB,
    attribution_spec JSONB,
    learning_stage TEXT,
    learning_stage_info JSONB,
    start_time TIMESTAMP WITH TIME ZONE,
    end_time TIMESTAMP WITH TIME ZONE,
    created_time TIMESTAMP WITH TIME ZONE,
    updated_time TIMESTAMP WITH TIME ZONE,
    issues_info JSONB,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    deleted_seen_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_adsets_pkey PRIMARY KEY (adset_id)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.meta_adsets IS 'One row per ad set, also paused, archived and deleted ones';

COMMENT ON COLUMN meta_ads.meta_adsets.adset_id IS 'Ad set id';

COMMENT ON COLUMN meta_ads.meta_adsets.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_adsets.campaign_id IS 'Campaign it belongs to';

COMMENT ON COLUMN meta_ads.meta_adsets.name IS 'Ad set name';

COMMENT ON COLUMN meta_ads.meta_adsets.status IS 'What the advertiser chose: ACTIVE, PAUSED, DELETED, ARCHIVED';

COMMENT ON COLUMN meta_ads.meta_adsets.configured_status IS 'Mirror of status in current API versions';

COMMENT ON COLUMN meta_ads.meta_adsets.effective_status IS 'What is true after parents, review and billing; see docs';

COMMENT ON COLUMN meta_ads.meta_adsets.optimization_goal IS 'What delivery optimises for';

COMMENT ON COLUMN meta_ads.meta_adsets.billing_event IS 'What is paid for';

COMMENT ON COLUMN meta_ads.meta_adsets.bid_strategy IS 'Bid strategy';

COMMENT ON COLUMN meta_ads.meta_adsets.bid_amount IS 'Bid or cost cap in major units';

COMMENT ON COLUMN meta_ads.meta_adsets.daily_budget IS 'Daily budget in major units';

COMMENT ON COLUMN meta_ads.meta_adsets.lifetime_budget IS 'Lifetime budget in major units';

COMMENT ON COLUMN meta_ads.meta_adsets.budget_remaining IS 'What is left of the budget, in major units';

COMMENT ON COLUMN meta_ads.meta_adsets.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.meta_adsets.destination_type IS 'Where the ad leads: WEBSITE, MESSENGER, ...';

COMMENT ON COLUMN meta_ads.meta_adsets.targeting_summary IS 'Targeting in one line for people';

COMMENT ON COLUMN meta_ads.meta_adsets.targeting IS 'Targeting as Meta normalised it';

COMMENT ON COLUMN meta_ads.meta_adsets.promoted_object IS 'Pixel, page, app or event that is promoted';

COMMENT ON COLUMN meta_ads.meta_adsets.attribution_spec IS 'Attribution windows of the ad set';

COMMENT ON COLUMN meta_ads.meta_adsets.learning_stage IS 'Learning stage: LEARNING, SUCCESS, FAIL';

COMMENT ON COLUMN meta_ads.meta_adsets.learning_stage_info IS 'Learning stage as Meta reports it';

COMMENT ON COLUMN meta_ads.meta_adsets.start_time IS 'Start';

COMMENT ON COLUMN meta_ads.meta_adsets.end_time IS 'End; null for open-ended';

COMMENT ON COLUMN meta_ads.meta_adsets.created_time IS 'When it was created';

COMMENT ON COLUMN meta_ads.meta_adsets.updated_time IS 'Last change as Meta tells it; budget edits do not move it';

COMMENT ON COLUMN meta_ads.meta_adsets.issues_info IS 'Delivery problems as Meta reports them';

COMMENT ON COLUMN meta_ads.meta_adsets.is_deleted IS 'True once Meta says DELETED or no longer lists it; the row stays';

COMMENT ON COLUMN meta_ads.meta_adsets.deleted_seen_at IS 'When the deletion was first seen here';

COMMENT ON COLUMN meta_ads.meta_adsets.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_adsets.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_cursor';

COMMENT ON COLUMN meta_ads.meta_adsets.extra IS 'Fields Meta sent that have no column of their own';

CREATE INDEX meta_adsets_account_id_idx ON meta_ads.meta_adsets (account_id);

CREATE INDEX meta_adsets_campaign_id_idx ON meta_ads.meta_adsets (campaign_id);

CREATE TABLE meta_ads.meta_api_logs (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    account_id TEXT,
    endpoint_key TEXT NOT NULL,
    query_shape TEXT,
    params_hash TEXT,
    method TEXT,
    status_code INTEGER,
    error_code INTEGER,
    error_subcode INTEGER,
    error_message TEXT,
    fbtrace_id TEXT,
    throttled BOOLEAN NOT NULL,
    latency_ms NUMERIC,
    retry_count INTEGER,
    response_size_bytes BIGINT,
    rows INTEGER,
    page_size INTEGER,
    weighted_cost NUMERIC,
    usage_headers JSONB,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    sync_run_id TEXT,
    CONSTRAINT meta_api_logs_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE meta_ads.meta_api_logs IS 'One row per Graph API attempt, also refused and broken ones';

COMMENT ON COLUMN meta_ads.meta_api_logs.id IS 'Running number';

COMMENT ON COLUMN meta_ads.meta_api_logs.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_api_logs.endpoint_key IS 'campaigns_list, adsets_list, ads_list, insights_ad, ...';

COMMENT ON COLUMN meta_ads.meta_api_logs.query_shape IS 'The query in words: level, fields, breakdowns, days';

COMMENT ON COLUMN meta_ads.meta_api_logs.params_hash IS 'Hash of the query shape; the same for every account and date';

COMMENT ON COLUMN meta_ads.meta_api_logs.method IS 'GET or POST';

COMMENT ON COLUMN meta_ads.meta_api_logs.status_code IS 'HTTP status; null when no answer came';

COMMENT ON COLUMN meta_ads.meta_api_logs.error_code IS 'Meta''s error code';

COMMENT ON COLUMN meta_ads.meta_api_logs.error_subcode IS 'Meta''s error subcode';

COMMENT ON COLUMN meta_ads.meta_api_logs.error_message IS 'Meta''s message, redacted';

COMMENT ON COLUMN meta_ads.meta_api_logs.fbtrace_id IS 'Trace id for Meta''s support';

COMMENT ON COLUMN meta_ads.meta_api_logs.throttled IS 'True when Meta refused for a rate limit';

COMMENT ON COLUMN meta_ads.meta_api_logs.latency_ms IS 'From sending to the whole answer';

COMMENT ON COLUMN meta_ads.meta_api_logs.retry_count IS '0 for the first attempt';

COMMENT ON COLUMN meta_ads.meta_api_logs.response_size_bytes IS 'Size of the answer';

COMMENT ON COLUMN meta_ads.meta_api_logs.rows IS 'Rows in the answer';

COMMENT ON COLUMN meta_ads.meta_api_logs.page_size IS 'Limit that was asked for';

COMMENT ON COLUMN meta_ads.meta_api_logs.weighted_cost IS 'Cost by the configured weights';

COMMENT ON COLUMN meta_ads.meta_api_logs.usage_headers IS 'Usage headers as sent: lower-case name to JSON text';

COMMENT ON COLUMN meta_ads.meta_api_logs.timestamp IS 'When the attempt was made';

COMMENT ON COLUMN meta_ads.meta_api_logs.sync_run_id IS 'The sync it belonged to';

CREATE INDEX meta_api_logs_account_id_timestamp_idx ON meta_ads.meta_api_logs (account_id, timestamp);

CREATE INDEX meta_api_logs_sync_run_id_idx ON meta_ads.meta_api_logs (sync_run_id);

CREATE INDEX meta_api_logs_throttled_idx ON meta_ads.meta_api_logs (account_id, timestamp) WHERE throttled;

CREATE INDEX meta_api_logs_timestamp_idx ON meta_ads.meta_api_logs (timestamp);

CREATE TABLE meta_ads.meta_campaigns (
    campaign_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT,
    objective TEXT,
    goal TEXT,
    status TEXT,
    configured_status TEXT,
    effective_status TEXT,
    buying_type TEXT,
    bid_strategy TEXT,
    daily_budget NUMERIC,
    lifetime_budget NUMERIC,
    budget_remaining NUMERIC,
    spend_cap NUMERIC,
    currency TEXT,
    special_ad_categories JSONB,
    start_time TIMESTAMP WITH TIME ZONE,
    stop_time TIMESTAMP WITH TIME ZONE,
    created_time TIMESTAMP WITH TIME ZONE,
    updated_time TIMESTAMP WITH TIME ZONE,
    issues_info JSONB,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    deleted_seen_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_campaigns_pkey PRIMARY KEY (campaign_id)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.meta_campaigns IS 'One row per campaign, also paused, archived and deleted ones';

COMMENT ON COLUMN meta_ads.meta_campaigns.campaign_id IS 'Campaign id';

COMMENT ON COLUMN meta_ads.meta_campaigns.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_campaigns.name IS 'Campaign name';

COMMENT ON COLUMN meta_ads.meta_campaigns.objective IS 'Meta''s objective, for example OUTCOME_SALES';

COMMENT ON COLUMN meta_ads.meta_campaigns.goal IS 'What the objective is after, in plain words: purchases, leads, ...';

COMMENT ON COLUMN meta_ads.meta_campaigns.status IS 'What the advertiser chose: ACTIVE, PAUSED, DELETED, ARCHIVED';

COMMENT ON COLUMN meta_ads.meta_campaigns.configured_status IS 'Mirror of status in current API versions';

COMMENT ON COLUMN meta_ads.meta_campaigns.effective_status IS 'What is true after parents, review and billing; see docs';

COMMENT ON COLUMN meta_ads.meta_campaigns.buying_type IS 'AUCTION or RESERVED';

COMMENT ON COLUMN meta_ads.meta_campaigns.bid_strategy IS 'Bid strategy of the campaign budget';

COMMENT ON COLUMN meta_ads.meta_campaigns.daily_budget IS 'Daily budget in major units';

COMMENT ON COLUMN meta_ads.meta_campaigns.lifetime_budget IS 'Lifetime budget in major units';

COMMENT ON COLUMN meta_ads.meta_campaigns.budget_remaining IS 'What is left of the budget, in major units';

COMMENT ON COLUMN meta_ads.meta_campaigns.spend_cap IS 'Spend cap in major units';

COMMENT ON COLUMN meta_ads.meta_campaigns.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.meta_campaigns.special_ad_categories IS 'Special ad categories, a list';

COMMENT ON COLUMN meta_ads.meta_campaigns.start_time IS 'Start; null where Meta has none';

COMMENT ON COLUMN meta_ads.meta_campaigns.stop_time IS 'End; null for open-ended';

COMMENT ON COLUMN meta_ads.meta_campaigns.created_time IS 'When it was created';

COMMENT ON COLUMN meta_ads.meta_campaigns.updated_time IS 'Last change as Meta tells it; budget edits do not move it';

COMMENT ON COLUMN meta_ads.meta_campaigns.issues_info IS 'Delivery problems as Meta reports them';

COMMENT ON COLUMN meta_ads.meta_campaigns.is_deleted IS 'True once Meta says DELETED or no longer lists it; the row stays';

COMMENT ON COLUMN meta_ads.meta_campaigns.deleted_seen_at IS 'When the deletion was first seen here';

COMMENT ON COLUMN meta_ads.meta_campaigns.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_campaigns.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_cursor';

COMMENT ON COLUMN meta_ads.meta_campaigns.extra IS 'Fields Meta sent that have no column of their own';

CREATE INDEX meta_campaigns_account_id_idx ON meta_ads.meta_campaigns (account_id);

CREATE TABLE meta_ads.meta_creatives (
    creative_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT,
    status TEXT,
    title TEXT,
    body TEXT,
    object_type TEXT,
    call_to_action_type TEXT,
    link_url TEXT,
    url_tags TEXT,
    image_hash TEXT,
    image_url TEXT,
    video_id TEXT,
    thumbnail_url TEXT,
    effective_object_story_id TEXT,
    instagram_permalink_url TEXT,
    object_story_spec JSONB,
    asset_feed_spec JSONB,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    deleted_seen_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_creatives_pkey PRIMARY KEY (creative_id)
);

COMMENT ON TABLE meta_ads.meta_creatives IS 'One row per ad creative';

COMMENT ON COLUMN meta_ads.meta_creatives.creative_id IS 'Creative id';

COMMENT ON COLUMN meta_ads.meta_creatives.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_creatives.name IS 'Creative name';

COMMENT ON COLUMN meta_ads.meta_creatives.status IS 'ACTIVE, IN_PROCESS, WITH_ISSUES, DELETED';

COMMENT ON COLUMN meta_ads.meta_creatives.title IS 'Headline';

COMMENT ON COLUMN meta_ads.meta_creatives.body IS 'Main text';

COMMENT ON COLUMN meta_ads.meta_creatives.object_type IS 'Kind of creative: SHARE, VIDEO, PHOTO, ...';

COMMENT ON COLUMN meta_ads.meta_creatives.call_to_action_type IS 'Button: SHOP_NOW, LEARN_MORE, ...';

COMMENT ON COLUMN meta_ads.meta_creatives.link_url IS 'Where the ad leads';

COMMENT ON COLUMN meta_ads.meta_creatives.url_tags IS 'Tags added to the link';

COMMENT ON COLUMN meta_ads.meta_creatives.image_hash IS 'Image';

COMMENT ON COLUMN meta_ads.meta_creatives.image_url IS 'Image address; may expire';

COMMENT ON COLUMN meta_ads.meta_creatives.video_id IS 'Video';

COMMENT ON COLUMN meta_ads.meta_creatives.thumbnail_url IS 'Signed preview address; expires within days';

COMMENT ON COLUMN meta_ads.meta_creatives.effective_object_story_id IS 'Post that is shown';

COMMENT ON COLUMN meta_ads.meta_creatives.instagram_permalink_url IS 'Instagram post';

COMMENT ON COLUMN meta_ads.meta_creatives.object_story_spec IS 'Post the creative makes; null where Meta would not give it';

COMMENT ON COLUMN meta_ads.meta_creatives.asset_feed_spec IS 'Assets of a dynamic creative';

COMMENT ON COLUMN meta_ads.meta_creatives.is_deleted IS 'True once Meta says DELETED or no longer lists it; the row stays';

COMMENT ON COLUMN meta_ads.meta_creatives.deleted_seen_at IS 'When the deletion was first seen here';

COMMENT ON COLUMN meta_ads.meta_creatives.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_creatives.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_cursor';

COMMENT ON COLUMN meta_ads.meta_creatives.extra IS 'Fields Meta sent that have no column of their own';

CREATE INDEX meta_creatives_account_id_idx ON meta_ads.meta_creatives (account_id);

CREATE TABLE meta_ads.meta_insights (
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    date_stop DATE NOT NULL,
    account_id TEXT NOT NULL,
    campaign_id TEXT,
    adset_id TEXT,
    ad_id TEXT,
    currency TEXT,
    spend NUMERIC,
    impressions BIGINT,
    reach BIGINT,
    frequency NUMERIC,
    clicks BIGINT,
    unique_clicks BIGINT,
    inline_link_clicks BIGINT,
    actions JSONB,
    action_values JSONB,
    video_thruplay_watched_actions JSONB,
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT meta_insights_pkey PRIMARY KEY (entity_type, entity_id, date_start, date_stop)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.meta_insights IS 'One row per entity and date range that had delivery; daily rows have date_stop = date_start';

COMMENT ON COLUMN meta_ads.meta_insights.entity_type IS 'Level of the row: account, campaign, adset, ad';

COMMENT ON COLUMN meta_ads.meta_insights.entity_id IS 'Id of the account, campaign, ad set or ad';

COMMENT ON COLUMN meta_ads.meta_insights.date_start IS 'First day, in the account''s time zone';

COMMENT ON COLUMN meta_ads.meta_insights.date_stop IS 'Last day, inclusive';

COMMENT ON COLUMN meta_ads.meta_insights.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_insights.campaign_id IS 'Campaign; null above its level';

COMMENT ON COLUMN meta_ads.meta_insights.adset_id IS 'Ad set; null above its level';

COMMENT ON COLUMN meta_ads.meta_insights.ad_id IS 'Ad; null above its level';

COMMENT ON COLUMN meta_ads.meta_insights.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.meta_insights.spend IS 'Amount spent in major units';

COMMENT ON COLUMN meta_ads.meta_insights.impressions IS 'Times shown';

COMMENT ON COLUMN meta_ads.meta_insights.reach IS 'People reached; never add it up';

COMMENT ON COLUMN meta_ads.meta_insights.frequency IS 'impressions / reach of this very row; never add it up';

COMMENT ON COLUMN meta_ads.meta_insights.clicks IS 'All clicks';

COMMENT ON COLUMN meta_ads.meta_insights.unique_clicks IS 'People who clicked; never add it up';

COMMENT ON COLUMN meta_ads.meta_insights.inline_link_clicks IS 'Clicks on links in the ad';

COMMENT ON COLUMN meta_ads.meta_insights.actions IS 'Actions by type as Meta sends them, with the windows asked for';

COMMENT ON COLUMN meta_ads.meta_insights.action_values IS 'Value of actions by type in major units';

COMMENT ON COLUMN meta_ads.meta_insights.video_thruplay_watched_actions IS 'Videos played to the end or for 15 s';

COMMENT ON COLUMN meta_ads.meta_insights.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_windows';

CREATE INDEX meta_insights_account_id_date_start_idx ON meta_ads.meta_insights (account_id, date_start);

CREATE TABLE meta_ads.meta_insights_breakdown (
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    breakdown TEXT NOT NULL,
    cell TEXT NOT NULL,
    cell_values JSONB,
    account_id TEXT NOT NULL,
    campaign_id TEXT,
    adset_id TEXT,
    ad_id TEXT,
    currency TEXT,
    spend NUMERIC,
    impressions BIGINT,
    reach BIGINT,
    frequency NUMERIC,
    clicks BIGINT,
    unique_clicks BIGINT,
    inline_link_clicks BIGINT,
    actions JSONB,
    action_values JSONB,
    video_thruplay_watched_actions JSONB,
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT meta_insights_breakdown_pkey PRIMARY KEY (entity_type, entity_id, date_start, breakdown, cell)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.meta_insights_breakdown IS 'One row per entity, day and breakdown cell that had delivery';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.entity_type IS 'Level of the row: account, campaign, adset, ad';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.entity_id IS 'Id of the account, campaign, ad set or ad';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.breakdown IS 'Breakdowns asked for, sorted, with commas: age,gender';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.cell IS 'Values of the breakdowns in that order, as JSON list';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.cell_values IS 'The same by name: {"age": "25-34", "gender": "female"}';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.campaign_id IS 'Campaign; null above its level';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.adset_id IS 'Ad set; null above its level';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.ad_id IS 'Ad; null above its level';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.spend IS 'Amount spent in major units';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.impressions IS 'Times shown';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.reach IS 'People reached; never add it up';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.frequency IS 'impressions / reach of this very row; never add it up';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.clicks IS 'All clicks';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.unique_clicks IS 'People who clicked; never add it up';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.inline_link_clicks IS 'Clicks on links in the ad';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.actions IS 'Actions by type as Meta sends them, with the windows asked for';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.action_values IS 'Value of actions by type in major units';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.video_thruplay_watched_actions IS 'Videos played to the end or for 15 s';

COMMENT ON COLUMN meta_ads.meta_insights_breakdown.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_windows';

CREATE INDEX meta_insights_breakdown_account_id_date_start_idx ON meta_ads.meta_insights_breakdown (account_id, date_start);

CREATE TABLE meta_ads.meta_insights_hourly (
    ad_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    hour SMALLINT NOT NULL,
    account_id TEXT NOT NULL,
    campaign_id TEXT,
    adset_id TEXT,
    currency TEXT,
    spend NUMERIC,
    impressions BIGINT,
    clicks BIGINT,
    unique_clicks BIGINT,
    inline_link_clicks BIGINT,
    actions JSONB,
    action_values JSONB,
    video_thruplay_watched_actions JSONB,
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT meta_insights_hourly_pkey PRIMARY KEY (ad_id, date_start, hour)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.meta_insights_hourly IS 'One row per ad, day and hour that had delivery; reach is not available by hour';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.ad_id IS 'Ad';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.hour IS 'Hour of the day, 0 to 23, in the account''s time zone';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.campaign_id IS 'Campaign';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.adset_id IS 'Ad set';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.spend IS 'Amount spent in major units';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.impressions IS 'Times shown';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.clicks IS 'All clicks';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.unique_clicks IS 'People who clicked; never add it up';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.inline_link_clicks IS 'Clicks on links in the ad';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.actions IS 'Actions by type as Meta sends them, with the windows asked for';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.action_values IS 'Value of actions by type in major units';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.video_thruplay_watched_actions IS 'Videos played to the end or for 15 s';

COMMENT ON COLUMN meta_ads.meta_insights_hourly.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_windows';

CREATE INDEX meta_insights_hourly_account_id_date_start_idx ON meta_ads.meta_insights_hourly (account_id, date_start);

CREATE TABLE meta_ads.schema_views (
    view_name TEXT NOT NULL,
    digest TEXT NOT NULL,
    CONSTRAINT schema_views_pkey PRIMARY KEY (view_name)
);

COMMENT ON TABLE meta_ads.schema_views IS 'One row per view of this schema: which text of it is in place';

COMMENT ON COLUMN meta_ads.schema_views.view_name IS 'Name of the view';

COMMENT ON COLUMN meta_ads.schema_views.digest IS 'SHA-256 of the file it was made from';

CREATE TABLE meta_ads.sync_cursor (
    account_id TEXT NOT NULL,
    edge TEXT NOT NULL,
    updated_since TIMESTAMP WITH TIME ZONE,
    last_full_at TIMESTAMP WITH TIME ZONE,
    last_fetched_at TIMESTAMP WITH TIME ZONE,
    statuses_hash TEXT,
    page_size INTEGER,
    CONSTRAINT sync_cursor_pkey PRIMARY KEY (account_id, edge)
);

COMMENT ON TABLE meta_ads.sync_cursor IS 'One row per account and edge: where the next delta starts and how big a page may be';

COMMENT ON COLUMN meta_ads.sync_cursor.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.sync_cursor.edge IS 'campaigns, adsets, ads, creatives, activities, insights';

COMMENT ON COLUMN meta_ads.sync_cursor.updated_since IS 'Largest updated_time Meta returned';

COMMENT ON COLUMN meta_ads.sync_cursor.last_full_at IS 'Last complete listing';

COMMENT ON COLUMN meta_ads.sync_cursor.last_fetched_at IS 'Last successful fetch of any kind';

COMMENT ON COLUMN meta_ads.sync_cursor.statuses_hash IS 'Hash of the status filter the cursor was made with';

COMMENT ON COLUMN meta_ads.sync_cursor.page_size IS 'Page size that last worked';

CREATE TABLE meta_ads.sync_runs (
    sync_run_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    reason TEXT,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    status TEXT NOT NULL,
    since DATE,
    until DATE,
    campaigns_fetched INTEGER,
    ad_sets_fetched INTEGER,
    ads_fetched INTEGER,
    insights_calls INTEGER,
    insights_rows_written BIGINT,
    insights_rows_read BIGINT,
    entity_rows_written BIGINT,
    meta_call_count_total INTEGER,
    weighted_cost_total NUMERIC,
    meta_usage_end_snapshot JSONB,
    entity_fetch_ms NUMERIC,
    insights_fetch_ms NUMERIC,
    db_write_ms NUMERIC,
    error_summary TEXT,
    missing JSONB,
    not_before TIMESTAMP WITH TIME ZONE,
    dagster_run_id TEXT,
    host TEXT,
    CONSTRAINT sync_runs_pkey PRIMARY KEY (sync_run_id),
    CONSTRAINT sync_runs_status_check CHECK (status IN ('running','success','partial','fail','throttled','refused'))
);

COMMENT ON TABLE meta_ads.sync_runs IS 'One row per attempt to sync an ad account, also refused and throttled ones';

COMMENT ON COLUMN meta_ads.sync_runs.sync_run_id IS 'Id of the attempt';

COMMENT ON COLUMN meta_ads.sync_runs.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.sync_runs.scope IS 'What was asked for: campaigns,adsets,ads,insights,...';

COMMENT ON COLUMN meta_ads.sync_runs.reason IS 'Why it ran: manual, rotation, priority, fallback, backfill, demo, ...';

COMMENT ON COLUMN meta_ads.sync_runs.started_at IS 'Start';

COMMENT ON COLUMN meta_ads.sync_runs.finished_at IS 'End; null while running';

COMMENT ON COLUMN meta_ads.sync_runs.status IS 'running, success, partial, fail, throttled or refused';

COMMENT ON COLUMN meta_ads.sync_runs.since IS 'First day of insights asked for';

COMMENT ON COLUMN meta_ads.sync_runs.until IS 'Last day of insights asked for';

COMMENT ON COLUMN meta_ads.sync_runs.campaigns_fetched IS 'Campaigns Meta returned';

COMMENT ON COLUMN meta_ads.sync_runs.ad_sets_fetched IS 'Ad sets Meta returned';

COMMENT ON COLUMN meta_ads.sync_runs.ads_fetched IS 'Ads Meta returned';

COMMENT ON COLUMN meta_ads.sync_runs.insights_calls IS 'Calls made for insights';

COMMENT ON COLUMN meta_ads.sync_runs.insights_rows_written IS 'Insight rows that were new or changed';

COMMENT ON COLUMN meta_ads.sync_runs.insights_rows_read IS 'Insight rows Meta returned';

COMMENT ON COLUMN meta_ads.sync_runs.entity_rows_written IS 'Entity rows that were new or changed';

COMMENT ON COLUMN meta_ads.sync_runs.meta_call_count_total IS 'Graph API attempts';

COMMENT ON COLUMN meta_ads.sync_runs.weighted_cost_total IS 'Their cost by the configured weights';

COMMENT ON COLUMN meta_ads.sync_runs.meta_usage_end_snapshot IS 'What was known of every meter at the end';

COMMENT ON COLUMN meta_ads.sync_runs.entity_fetch_ms IS 'Wall time fetching entities';

COMMENT ON COLUMN meta_ads.sync_runs.insights_fetch_ms IS 'Wall time fetching insights';

COMMENT ON COLUMN meta_ads.sync_runs.db_write_ms IS 'Time spent writing, summed over the writers';

COMMENT ON COLUMN meta_ads.sync_runs.error_summary IS 'What went wrong or is missing, in a sentence';

COMMENT ON COLUMN meta_ads.sync_runs.missing IS 'What a partial sync did not get, a list';

COMMENT ON COLUMN meta_ads.sync_runs.not_before IS 'When throttled: no call before this time';

COMMENT ON COLUMN meta_ads.sync_runs.dagster_run_id IS 'The Dagster run, where there was one';

COMMENT ON COLUMN meta_ads.sync_runs.host IS 'Host and process that ran it';

CREATE INDEX sync_runs_account_id_started_at_idx ON meta_ads.sync_runs (account_id, started_at);

CREATE INDEX sync_runs_running_idx ON meta_ads.sync_runs (account_id) WHERE status = 'running';

CREATE INDEX sync_runs_started_at_idx ON meta_ads.sync_runs (started_at);

CREATE TABLE meta_ads.sync_windows (
    account_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    date_start DATE NOT NULL,
    fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    rows BIGINT NOT NULL,
    is_final BOOLEAN,
    sync_run_id TEXT,
    CONSTRAINT sync_windows_pkey PRIMARY KEY (account_id, dataset, date_start)
);

COMMENT ON TABLE meta_ads.sync_windows IS 'One row per account, dataset and day that was fetched: the ledger of what is done';

COMMENT ON COLUMN meta_ads.sync_windows.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.sync_windows.dataset IS 'insights_ad, insights_account, insights_hourly, breakdown name, ...';

COMMENT ON COLUMN meta_ads.sync_windows.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.sync_windows.fetched_at IS 'When it was last fetched and committed';

COMMENT ON COLUMN meta_ads.sync_windows.rows IS 'Rows Meta returned for the day';

COMMENT ON COLUMN meta_ads.sync_windows.is_final IS 'True when it was read after Meta''s 28 days: no more restatement';

COMMENT ON COLUMN meta_ads.sync_windows.sync_run_id IS 'The sync that fetched it';

CREATE TABLE meta_ads.unrecognized_values (
    account_id TEXT NOT NULL,
    source TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    reason TEXT,
    sample_id TEXT,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_count BIGINT NOT NULL,
    CONSTRAINT unrecognized_values_pkey PRIMARY KEY (account_id, source, field, value)
);

COMMENT ON TABLE meta_ads.unrecognized_values IS 'One row per value, field or object that was not understood or that Meta would not give';

COMMENT ON COLUMN meta_ads.unrecognized_values.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.unrecognized_values.source IS 'Endpoint or entity type it came from';

COMMENT ON COLUMN meta_ads.unrecognized_values.field IS 'Field it was in';

COMMENT ON COLUMN meta_ads.unrecognized_values.value IS 'The value, shortened to 200 characters';

COMMENT ON COLUMN meta_ads.unrecognized_values.reason IS 'unknown_enum, wrong_type, unknown_field, refused_field, refused_object, ...';

COMMENT ON COLUMN meta_ads.unrecognized_values.sample_id IS 'One object that had it';

COMMENT ON COLUMN meta_ads.unrecognized_values.first_seen_at IS 'First time';

COMMENT ON COLUMN meta_ads.unrecognized_values.last_seen_at IS 'Last time';

COMMENT ON COLUMN meta_ads.unrecognized_values.seen_count IS 'How many times';

CREATE TABLE meta_ads.usage_readings (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    use_case TEXT NOT NULL,
    usage_pct NUMERIC NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE NOT NULL,
    regain_at TIMESTAMP WITH TIME ZONE,
    access_tier TEXT,
    source TEXT,
    CONSTRAINT usage_readings_pkey PRIMARY KEY (scope, key, use_case)
);

COMMENT ON TABLE meta_ads.usage_readings IS 'One row per meter: the newest reading of each, shared by all processes';

COMMENT ON COLUMN meta_ads.usage_readings.scope IS 'app, account or insights_app, insights_account';

COMMENT ON COLUMN meta_ads.usage_readings.key IS 'Account as act_<number>, or the app';

COMMENT ON COLUMN meta_ads.usage_readings.use_case IS 'ads_management, ads_insights, ... or empty';

COMMENT ON COLUMN meta_ads.usage_readings.usage_pct IS 'Worst percentage read';

COMMENT ON COLUMN meta_ads.usage_readings.read_at IS 'When it was read';

COMMENT ON COLUMN meta_ads.usage_readings.regain_at IS 'When Meta says access returns; null when not blocked';

COMMENT ON COLUMN meta_ads.usage_readings.access_tier IS 'Tier Meta named';

COMMENT ON COLUMN meta_ads.usage_readings.source IS 'Header or error it was read from';
