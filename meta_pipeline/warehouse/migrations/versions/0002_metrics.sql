-- metrics.

CREATE TABLE meta_ads.account_kpis (
    account_id TEXT NOT NULL,
    metric_key TEXT NOT NULL,
    target NUMERIC,
    is_primary BOOLEAN DEFAULT false NOT NULL,
    note TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT account_kpis_pkey PRIMARY KEY (account_id, metric_key)
);

COMMENT ON TABLE meta_ads.account_kpis IS 'One row per account and metric it is steered by';

COMMENT ON COLUMN meta_ads.account_kpis.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.account_kpis.metric_key IS 'Metric of the dictionary';

COMMENT ON COLUMN meta_ads.account_kpis.target IS 'Value to reach, in the metric''s unit; null to watch it without a target';

COMMENT ON COLUMN meta_ads.account_kpis.is_primary IS 'True for the one metric the account is judged by';

COMMENT ON COLUMN meta_ads.account_kpis.note IS 'Who set it and why';

COMMENT ON COLUMN meta_ads.account_kpis.updated_at IS 'When it was last set';

CREATE UNIQUE INDEX account_kpis_primary_idx ON meta_ads.account_kpis (account_id) WHERE is_primary;

CREATE TABLE meta_ads.daily_ad_metrics (
    account_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    ad_id TEXT NOT NULL,
    adset_id TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    result_metric TEXT,
    currency TEXT,
    spend NUMERIC NOT NULL,
    revenue NUMERIC NOT NULL,
    impressions BIGINT NOT NULL,
    clicks BIGINT NOT NULL,
    inline_link_clicks BIGINT NOT NULL,
    link_clicks NUMERIC NOT NULL,
    landing_page_views NUMERIC NOT NULL,
    video_views NUMERIC NOT NULL,
    thruplays NUMERIC NOT NULL,
    post_engagements NUMERIC NOT NULL,
    leads NUMERIC NOT NULL,
    registrations NUMERIC NOT NULL,
    purchases NUMERIC NOT NULL,
    add_to_carts NUMERIC NOT NULL,
    checkouts_initiated NUMERIC NOT NULL,
    results NUMERIC NOT NULL,
    other_metrics JSONB NOT NULL,
    reach BIGINT,
    unique_clicks BIGINT,
    data_as_of TIMESTAMP WITH TIME ZONE,
    definition_version TEXT NOT NULL,
    rolled_up_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT daily_ad_metrics_pkey PRIMARY KEY (account_id, date_start, ad_id)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.daily_ad_metrics IS 'One row per ad and day with delivery, conversions counted by the metric dictionary';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.ad_id IS 'Ad';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.adset_id IS 'Ad set; ''unknown'' where Meta''s row had none';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.campaign_id IS 'Campaign; ''unknown'' where Meta''s row had none';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.result_metric IS 'Metric that results counts; null where the goal is not known';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.spend IS 'Amount spent in major units';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.revenue IS 'Value of purchases in major units';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.impressions IS 'Times shown';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.clicks IS 'All clicks';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.inline_link_clicks IS 'Clicks on links, Meta''s fixed window of a day';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.link_clicks IS 'Clicks on links';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.landing_page_views IS 'Landing page views';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.video_views IS 'Videos played for 3 s';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.thruplays IS 'Videos played to the end or for 15 s';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.post_engagements IS 'Post engagements; contains link clicks and video plays';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.leads IS 'Leads by the dictionary''s fallback order';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.registrations IS 'Completed registrations by the fallback order';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.purchases IS 'Purchases by the fallback order';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.add_to_carts IS 'Adds to cart by the fallback order';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.checkouts_initiated IS 'Checkouts begun by the fallback order';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.results IS 'What the ad set is optimised for; see result_metric';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.other_metrics IS 'The dictionary''s other sums, metric key to value; zeros are left out';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.reach IS 'People reached that day, from this level''s own row; never add it up';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.unique_clicks IS 'People who clicked, from this level''s own row; never add it up';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.data_as_of IS 'When Meta gave the newest of the rows it is made of';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.definition_version IS 'Version of the definitions it is made with';

COMMENT ON COLUMN meta_ads.daily_ad_metrics.rolled_up_at IS 'When it was computed';

CREATE TABLE meta_ads.daily_adset_metrics (
    account_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    adset_id TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    result_metric TEXT,
    delivering_ads INTEGER NOT NULL,
    currency TEXT,
    spend NUMERIC NOT NULL,
    revenue NUMERIC NOT NULL,
    impressions BIGINT NOT NULL,
    clicks BIGINT NOT NULL,
    inline_link_clicks BIGINT NOT NULL,
    link_clicks NUMERIC NOT NULL,
    landing_page_views NUMERIC NOT NULL,
    video_views NUMERIC NOT NULL,
    thruplays NUMERIC NOT NULL,
    post_engagements NUMERIC NOT NULL,
    leads NUMERIC NOT NULL,
    registrations NUMERIC NOT NULL,
    purchases NUMERIC NOT NULL,
    add_to_carts NUMERIC NOT NULL,
    checkouts_initiated NUMERIC NOT NULL,
    results NUMERIC NOT NULL,
    other_metrics JSONB NOT NULL,
    reach BIGINT,
    unique_clicks BIGINT,
    data_as_of TIMESTAMP WITH TIME ZONE,
    definition_version TEXT NOT NULL,
    rolled_up_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT daily_adset_metrics_pkey PRIMARY KEY (account_id, date_start, adset_id)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.daily_adset_metrics IS 'One row per ad set and day with delivery: the sum of its ads';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.adset_id IS 'Ad set';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.campaign_id IS 'Campaign';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.result_metric IS 'Metric that results counts; null where the goal is not known';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.delivering_ads IS 'Ads with a row that day';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.spend IS 'Amount spent in major units';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.revenue IS 'Value of purchases in major units';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.impressions IS 'Times shown';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.clicks IS 'All clicks';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.inline_link_clicks IS 'Clicks on links, Meta''s fixed window of a day';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.link_clicks IS 'Clicks on links';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.landing_page_views IS 'Landing page views';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.video_views IS 'Videos played for 3 s';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.thruplays IS 'Videos played to the end or for 15 s';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.post_engagements IS 'Post engagements; contains link clicks and video plays';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.leads IS 'Leads by the dictionary''s fallback order';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.registrations IS 'Completed registrations by the fallback order';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.purchases IS 'Purchases by the fallback order';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.add_to_carts IS 'Adds to cart by the fallback order';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.checkouts_initiated IS 'Checkouts begun by the fallback order';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.results IS 'What the ad set is optimised for; see result_metric';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.other_metrics IS 'The dictionary''s other sums, metric key to value; zeros are left out';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.reach IS 'People reached that day, from this level''s own row; never add it up';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.unique_clicks IS 'People who clicked, from this level''s own row; never add it up';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.data_as_of IS 'When Meta gave the newest of the rows it is made of';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.definition_version IS 'Version of the definitions it is made with';

COMMENT ON COLUMN meta_ads.daily_adset_metrics.rolled_up_at IS 'When it was computed';

CREATE TABLE meta_ads.daily_campaign_metrics (
    account_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    campaign_id TEXT NOT NULL,
    delivering_ads INTEGER NOT NULL,
    currency TEXT,
    spend NUMERIC NOT NULL,
    revenue NUMERIC NOT NULL,
    impressions BIGINT NOT NULL,
    clicks BIGINT NOT NULL,
    inline_link_clicks BIGINT NOT NULL,
    link_clicks NUMERIC NOT NULL,
    landing_page_views NUMERIC NOT NULL,
    video_views NUMERIC NOT NULL,
    thruplays NUMERIC NOT NULL,
    post_engagements NUMERIC NOT NULL,
    leads NUMERIC NOT NULL,
    registrations NUMERIC NOT NULL,
    purchases NUMERIC NOT NULL,
    add_to_carts NUMERIC NOT NULL,
    checkouts_initiated NUMERIC NOT NULL,
    results NUMERIC NOT NULL,
    other_metrics JSONB NOT NULL,
    reach BIGINT,
    unique_clicks BIGINT,
    data_as_of TIMESTAMP WITH TIME ZONE,
    definition_version TEXT NOT NULL,
    rolled_up_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT daily_campaign_metrics_pkey PRIMARY KEY (account_id, date_start, campaign_id)
)
 WITH (fillfactor = 90);

COMMENT ON TABLE meta_ads.daily_campaign_metrics IS 'One row per campaign and day with delivery: the sum of its ads';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.campaign_id IS 'Campaign';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.delivering_ads IS 'Ads with a row that day';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.currency IS 'Currency of the amounts';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.spend IS 'Amount spent in major units';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.revenue IS 'Value of purchases in major units';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.impressions IS 'Times shown';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.clicks IS 'All clicks';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.inline_link_clicks IS 'Clicks on links, Meta''s fixed window of a day';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.link_clicks IS 'Clicks on links';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.landing_page_views IS 'Landing page views';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.video_views IS 'Videos played for 3 s';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.thruplays IS 'Videos played to the end or for 15 s';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.post_engagements IS 'Post engagements; contains link clicks and video plays';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.leads IS 'Leads by the dictionary''s fallback order';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.registrations IS 'Completed registrations by the fallback order';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.purchases IS 'Purchases by the fallback order';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.add_to_carts IS 'Adds to cart by the fallback order';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.checkouts_initiated IS 'Checkouts begun by the fallback order';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.results IS 'What the ad set is optimised for; see result_metric';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.other_metrics IS 'The dictionary''s other sums, metric key to value; zeros are left out';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.reach IS 'People reached that day, from this level''s own row; never add it up';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.unique_clicks IS 'People who clicked, from this level''s own row; never add it up';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.data_as_of IS 'When Meta gave the newest of the rows it is made of';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.definition_version IS 'Version of the definitions it is made with';

COMMENT ON COLUMN meta_ads.daily_campaign_metrics.rolled_up_at IS 'When it was computed';

CREATE TABLE meta_ads.exchange_rates (
    rate_date DATE NOT NULL,
    base_currency TEXT NOT NULL,
    quote_currency TEXT NOT NULL,
    rate NUMERIC NOT NULL,
    source TEXT,
    CONSTRAINT exchange_rates_pkey PRIMARY KEY (rate_date, base_currency, quote_currency),
    CONSTRAINT exchange_rates_rate_check CHECK (rate > 0)
);

COMMENT ON TABLE meta_ads.exchange_rates IS 'One row per day and pair of currencies: what one unit of base is worth in quote';

COMMENT ON COLUMN meta_ads.exchange_rates.rate_date IS 'Day of the rate';

COMMENT ON COLUMN meta_ads.exchange_rates.base_currency IS 'ISO code of what is converted';

COMMENT ON COLUMN meta_ads.exchange_rates.quote_currency IS 'ISO code of what it becomes';

COMMENT ON COLUMN meta_ads.exchange_rates.rate IS 'quote units for one base unit';

COMMENT ON COLUMN meta_ads.exchange_rates.source IS 'Where the rate is from';

CREATE TABLE meta_ads.metric_definitions (
    metric_key TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    unit TEXT NOT NULL,
    kind TEXT NOT NULL,
    better TEXT NOT NULL,
    formula TEXT NOT NULL,
    source_column TEXT,
    action_types TEXT[],
    action_list TEXT,
    attribution_window TEXT,
    numerator TEXT,
    denominator TEXT,
    scale NUMERIC,
    definition JSONB NOT NULL,
    dictionary_version TEXT NOT NULL,
    loaded_from TEXT NOT NULL,
    loaded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT metric_definitions_pkey PRIMARY KEY (metric_key)
);

COMMENT ON TABLE meta_ads.metric_definitions IS 'One row per metric of the dictionary: what it counts and how it may be combined';

COMMENT ON COLUMN meta_ads.metric_definitions.metric_key IS 'Name to ask for it by';

COMMENT ON COLUMN meta_ads.metric_definitions.display_name IS 'Name for people';

COMMENT ON COLUMN meta_ads.metric_definitions.description IS 'What it means';

COMMENT ON COLUMN meta_ads.metric_definitions.unit IS 'currency, count, people, percent or ratio';

COMMENT ON COLUMN meta_ads.metric_definitions.kind IS 'sum, ratio or non_additive';

COMMENT ON COLUMN meta_ads.metric_definitions.better IS 'higher, lower or neither: which way a target is met';

COMMENT ON COLUMN meta_ads.metric_definitions.formula IS 'How it is computed, in one line';

COMMENT ON COLUMN meta_ads.metric_definitions.source_column IS 'Column it adds up or shows; null when made otherwise';

COMMENT ON COLUMN meta_ads.metric_definitions.action_types IS 'Action types in fallback order: the first one present counts';

COMMENT ON COLUMN meta_ads.metric_definitions.action_list IS 'Column the action types are in: actions, action_values, ...';

COMMENT ON COLUMN meta_ads.metric_definitions.attribution_window IS 'default, or the one window it always uses';

COMMENT ON COLUMN meta_ads.metric_definitions.numerator IS 'Metric above the line of a ratio';

COMMENT ON COLUMN meta_ads.metric_definitions.denominator IS 'Metric below the line of a ratio';

COMMENT ON COLUMN meta_ads.metric_definitions.scale IS 'What a ratio is multiplied by: 100 for percent, 1000 for cpm';

COMMENT ON COLUMN meta_ads.metric_definitions.definition IS 'The whole definition as loaded';

COMMENT ON COLUMN meta_ads.metric_definitions.dictionary_version IS 'Hash of the dictionary it was loaded with';

COMMENT ON COLUMN meta_ads.metric_definitions.loaded_from IS 'standard, or the file laid over it';

COMMENT ON COLUMN meta_ads.metric_definitions.loaded_at IS 'When it was loaded';

CREATE TABLE meta_ads.metric_families (
    action_type TEXT NOT NULL,
    family TEXT NOT NULL,
    fallback_order INTEGER NOT NULL,
    includes TEXT[],
    off_meta BOOLEAN,
    CONSTRAINT metric_families_pkey PRIMARY KEY (action_type)
);

COMMENT ON TABLE meta_ads.metric_families IS 'One row per action type: the family of names that count the same people';

COMMENT ON COLUMN meta_ads.metric_families.action_type IS 'Meta''s action type';

COMMENT ON COLUMN meta_ads.metric_families.family IS 'Family; its types are never added to each other';

COMMENT ON COLUMN meta_ads.metric_families.fallback_order IS '1 is taken first, the next only where it is absent';

COMMENT ON COLUMN meta_ads.metric_families.includes IS 'Families whose actions are part of this one';

COMMENT ON COLUMN meta_ads.metric_families.off_meta IS 'True when it happens outside Meta: absent by hour and by region';

CREATE TABLE meta_ads.metric_goals (
    source TEXT NOT NULL,
    value TEXT NOT NULL,
    metric_key TEXT NOT NULL,
    CONSTRAINT metric_goals_pkey PRIMARY KEY (source, value)
);

COMMENT ON TABLE meta_ads.metric_goals IS 'One row per goal Meta can be given: the metric that counts its results';

COMMENT ON COLUMN meta_ads.metric_goals.source IS 'event, optimization_goal or objective; asked in this order';

COMMENT ON COLUMN meta_ads.metric_goals.value IS 'Meta''s value, for example LEAD_GENERATION';

COMMENT ON COLUMN meta_ads.metric_goals.metric_key IS 'Metric that counts the results';

CREATE TABLE meta_ads.metric_overrides (
    account_id TEXT NOT NULL,
    metric_key TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_until DATE,
    note TEXT NOT NULL,
    definition JSONB NOT NULL,
    loaded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT metric_overrides_pkey PRIMARY KEY (account_id, metric_key, valid_from)
);

COMMENT ON TABLE meta_ads.metric_overrides IS 'One row per account, metric and first day of another definition';

COMMENT ON COLUMN meta_ads.metric_overrides.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.metric_overrides.metric_key IS 'Metric that is counted otherwise';

COMMENT ON COLUMN meta_ads.metric_overrides.valid_from IS 'First day it holds; 0001-01-01 for always';

COMMENT ON COLUMN meta_ads.metric_overrides.valid_until IS 'Last day it holds, inclusive; null for open-ended';

COMMENT ON COLUMN meta_ads.metric_overrides.note IS 'Why this account counts otherwise';

COMMENT ON COLUMN meta_ads.metric_overrides.definition IS 'What differs, as loaded';

COMMENT ON COLUMN meta_ads.metric_overrides.loaded_at IS 'When it was loaded';

CREATE TABLE meta_ads.metric_rollups (
    account_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    definition_version TEXT NOT NULL,
    source_fetched_at TIMESTAMP WITH TIME ZONE,
    ad_rows BIGINT NOT NULL,
    rolled_up_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT metric_rollups_pkey PRIMARY KEY (account_id, date_start)
);

COMMENT ON TABLE meta_ads.metric_rollups IS 'One row per account and day that was rolled up: with which definitions, from which read';

COMMENT ON COLUMN meta_ads.metric_rollups.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.metric_rollups.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.metric_rollups.definition_version IS 'Version of the definitions';

COMMENT ON COLUMN meta_ads.metric_rollups.source_fetched_at IS 'sync_windows.fetched_at of the day at that moment';

COMMENT ON COLUMN meta_ads.metric_rollups.ad_rows IS 'Ad rows of the day';

COMMENT ON COLUMN meta_ads.metric_rollups.rolled_up_at IS 'When it was computed';

CREATE TABLE meta_ads.reconciliations (
    account_id TEXT NOT NULL,
    date_start DATE NOT NULL,
    status TEXT NOT NULL,
    explanation TEXT NOT NULL,
    ad_rows BIGINT NOT NULL,
    spend_ads NUMERIC,
    spend_account NUMERIC,
    spend_difference NUMERIC,
    spend_difference_pct NUMERIC,
    impressions_ads BIGINT,
    impressions_account BIGINT,
    clicks_ads BIGINT,
    clicks_account BIGINT,
    conversions JSONB NOT NULL,
    tolerance_pct NUMERIC NOT NULL,
    ads_as_of TIMESTAMP WITH TIME ZONE,
    account_as_of TIMESTAMP WITH TIME ZONE,
    checked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT reconciliations_pkey PRIMARY KEY (account_id, date_start),
    CONSTRAINT reconciliations_status_check CHECK (status IN ('match','rounding','differs','unchecked','empty'))
);

COMMENT ON TABLE meta_ads.reconciliations IS 'One row per account and day: the ad rows against the account''s own row, last check';

COMMENT ON COLUMN meta_ads.reconciliations.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.reconciliations.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.reconciliations.status IS 'match, rounding, differs, unchecked or empty';

COMMENT ON COLUMN meta_ads.reconciliations.explanation IS 'Why they differ, or why nothing could be said';

COMMENT ON COLUMN meta_ads.reconciliations.ad_rows IS 'Ad rows of the day';

COMMENT ON COLUMN meta_ads.reconciliations.spend_ads IS 'Spend of all ad rows';

COMMENT ON COLUMN meta_ads.reconciliations.spend_account IS 'Spend of the account row';

COMMENT ON COLUMN meta_ads.reconciliations.spend_difference IS 'Ads minus account';

COMMENT ON COLUMN meta_ads.reconciliations.spend_difference_pct IS 'Difference in percent of the account row';

COMMENT ON COLUMN meta_ads.reconciliations.impressions_ads IS 'Impressions of all ad rows';

COMMENT ON COLUMN meta_ads.reconciliations.impressions_account IS 'Impressions of the account row';

COMMENT ON COLUMN meta_ads.reconciliations.clicks_ads IS 'Clicks of all ad rows';

COMMENT ON COLUMN meta_ads.reconciliations.clicks_account IS 'Clicks of the account row';

COMMENT ON COLUMN meta_ads.reconciliations.conversions IS 'Per metric key: [ads, account]';

COMMENT ON COLUMN meta_ads.reconciliations.tolerance_pct IS 'Difference that was tolerated';

COMMENT ON COLUMN meta_ads.reconciliations.ads_as_of IS 'When the ad rows were read';

COMMENT ON COLUMN meta_ads.reconciliations.account_as_of IS 'When the account row was read';

COMMENT ON COLUMN meta_ads.reconciliations.checked_at IS 'When they were compared';
