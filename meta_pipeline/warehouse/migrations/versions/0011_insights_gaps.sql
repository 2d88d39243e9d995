-- What Meta could not answer of a day, and reports that a sync did not wait for.

CREATE TABLE meta_ads.insights_gaps (
    account_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    date_start DATE NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    fields TEXT NOT NULL,
    reason TEXT NOT NULL,
    tried_at TIMESTAMP WITH TIME ZONE NOT NULL,
    tries INTEGER NOT NULL,
    CONSTRAINT insights_gaps_pkey PRIMARY KEY (account_id, dataset, date_start, entity_type, entity_id)
);

COMMENT ON TABLE meta_ads.insights_gaps IS 'One row per object and day that Meta could not answer, or not wholly';

COMMENT ON COLUMN meta_ads.insights_gaps.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.insights_gaps.dataset IS 'Which reading it is missing from, as in sync_windows';

COMMENT ON COLUMN meta_ads.insights_gaps.date_start IS 'Day in the account''s time zone';

COMMENT ON COLUMN meta_ads.insights_gaps.entity_type IS 'account, campaign, adset or ad';

COMMENT ON COLUMN meta_ads.insights_gaps.entity_id IS 'Which one; whole: the day, of which no object could be told apart';

COMMENT ON COLUMN meta_ads.insights_gaps.fields IS 'Fields that are missing, with commas; empty: all of it is';

COMMENT ON COLUMN meta_ads.insights_gaps.reason IS 'What Meta answered when all of it was asked for';

COMMENT ON COLUMN meta_ads.insights_gaps.tried_at IS 'When all of it was last asked for';

COMMENT ON COLUMN meta_ads.insights_gaps.tries IS 'How often; each time makes the pause until the next longer';

CREATE TABLE meta_ads.pending_reports (
    account_id TEXT NOT NULL,
    report_run_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    since DATE NOT NULL,
    until DATE NOT NULL,
    query_hash TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    progress_pct INTEGER NOT NULL,
    CONSTRAINT pending_reports_pkey PRIMARY KEY (account_id, report_run_id)
);

COMMENT ON TABLE meta_ads.pending_reports IS 'One row per async report that did not move while a sync waited: the next one looks at it again';

COMMENT ON COLUMN meta_ads.pending_reports.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.pending_reports.report_run_id IS 'Meta''s id of the report; it lives 30 days';

COMMENT ON COLUMN meta_ads.pending_reports.dataset IS 'Which reading it is of, as in sync_windows';

COMMENT ON COLUMN meta_ads.pending_reports.since IS 'First day asked for';

COMMENT ON COLUMN meta_ads.pending_reports.until IS 'Last day asked for';

COMMENT ON COLUMN meta_ads.pending_reports.query_hash IS 'Hash of all that was asked: the same question takes this report';

COMMENT ON COLUMN meta_ads.pending_reports.created_at IS 'When it was created: its numbers may be as old';

COMMENT ON COLUMN meta_ads.pending_reports.progress_pct IS 'Where it stood when it was left';
