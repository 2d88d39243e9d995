-- What Meta recommends.

CREATE TABLE meta_ads.meta_recommendations (
    recommendation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    recommendation_type TEXT NOT NULL,
    recommendation_stage TEXT,
    level TEXT,
    object_ids JSONB NOT NULL,
    body TEXT,
    lift_estimate TEXT,
    opportunity_score_lift NUMERIC,
    url TEXT,
    recommended_at TIMESTAMP WITH TIME ZONE,
    extra JSONB,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT meta_recommendations_pkey PRIMARY KEY (recommendation_id)
);

COMMENT ON TABLE meta_ads.meta_recommendations IS 'One row per recommendation of Meta''s; what it recommends no more stays, marked as gone';

COMMENT ON COLUMN meta_ads.meta_recommendations.recommendation_id IS 'Hash of account, type, stage and objects: Meta''s signatures perish';

COMMENT ON COLUMN meta_ads.meta_recommendations.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_recommendations.recommendation_type IS 'Meta''s name of it in capitals, such as MUSIC';

COMMENT ON COLUMN meta_ads.meta_recommendations.recommendation_stage IS 'mid_flight_recommendation, pre_create_guidance, ...';

COMMENT ON COLUMN meta_ads.meta_recommendations.level IS 'ad, ad_set, campaign or ad_account; null where only the account was asked';

COMMENT ON COLUMN meta_ads.meta_recommendations.object_ids IS 'Campaigns, ad sets or ads it is about, a list of ids';

COMMENT ON COLUMN meta_ads.meta_recommendations.body IS 'What it says';

COMMENT ON COLUMN meta_ads.meta_recommendations.lift_estimate IS 'What Meta promises, in its words';

COMMENT ON COLUMN meta_ads.meta_recommendations.opportunity_score_lift IS 'Points of the opportunity score for following it';

COMMENT ON COLUMN meta_ads.meta_recommendations.url IS 'Where it can be followed in Ads Manager';

COMMENT ON COLUMN meta_ads.meta_recommendations.recommended_at IS 'When Meta made it';

COMMENT ON COLUMN meta_ads.meta_recommendations.extra IS 'Fields Meta sent that have no column of their own';

COMMENT ON COLUMN meta_ads.meta_recommendations.first_seen_at IS 'When it was first seen here';

COMMENT ON COLUMN meta_ads.meta_recommendations.last_seen_at IS 'When it was last seen here';

COMMENT ON COLUMN meta_ads.meta_recommendations.gone_at IS 'When it was first not recommended any more; null: it still is';

COMMENT ON COLUMN meta_ads.meta_recommendations.data_as_of IS 'When Meta gave this row';

CREATE INDEX meta_recommendations_account_id_idx ON meta_ads.meta_recommendations (account_id);

CREATE TABLE meta_ads.opportunity_scores (
    account_id TEXT NOT NULL,
    day DATE NOT NULL,
    score NUMERIC,
    live_score NUMERIC,
    changelog JSONB,
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT opportunity_scores_pkey PRIMARY KEY (account_id, day)
);

COMMENT ON TABLE meta_ads.opportunity_scores IS 'One row per ad account and day: how far the account follows what Meta recommends';

COMMENT ON COLUMN meta_ads.opportunity_scores.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.opportunity_scores.day IS 'Day in the account''s zone';

COMMENT ON COLUMN meta_ads.opportunity_scores.score IS 'Score of the day, 0 to 100, from Meta''s history; two days late';

COMMENT ON COLUMN meta_ads.opportunity_scores.live_score IS 'Score at the moment it was read that day; Meta says the two may differ';

COMMENT ON COLUMN meta_ads.opportunity_scores.changelog IS 'What moved the score since the day before, as Meta tells it';

COMMENT ON COLUMN meta_ads.opportunity_scores.data_as_of IS 'When Meta gave this row';

COMMENT ON COLUMN meta_ads.sync_cursor.edge IS 'campaigns, adsets, ads, creatives, activities, recommendations, insights, ...';

ALTER TABLE meta_ads.sync_runs ADD COLUMN recommendations_fetched INTEGER;

COMMENT ON COLUMN meta_ads.sync_runs.recommendations_fetched IS 'Recommendations of Meta''s for the account';
