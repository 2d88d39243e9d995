-- Alerts.

CREATE TABLE meta_ads.alert_channels (
    channel TEXT NOT NULL,
    told JSONB NOT NULL,
    last_sent_at TIMESTAMP WITH TIME ZONE,
    failing_since TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    CONSTRAINT alert_channels_pkey PRIMARY KEY (channel)
);

COMMENT ON TABLE meta_ads.alert_channels IS 'One row per way of telling people: what was last told there';

COMMENT ON COLUMN meta_ads.alert_channels.channel IS 'webhook, email or log';

COMMENT ON COLUMN meta_ads.alert_channels.told IS 'alert_key to the grade that was told';

COMMENT ON COLUMN meta_ads.alert_channels.last_sent_at IS 'Last message that was delivered';

COMMENT ON COLUMN meta_ads.alert_channels.failing_since IS 'First failed delivery since; null when the last one went through';

COMMENT ON COLUMN meta_ads.alert_channels.last_error IS 'Why it failed';

CREATE TABLE meta_ads.alerts (
    alert_key TEXT NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    account_id TEXT,
    subject TEXT NOT NULL,
    grade INTEGER NOT NULL,
    cause TEXT NOT NULL,
    what_to_do TEXT NOT NULL,
    link TEXT,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT alerts_pkey PRIMARY KEY (alert_key)
);

COMMENT ON TABLE meta_ads.alerts IS 'One row per problem that is open, or was within the last days';

COMMENT ON COLUMN meta_ads.alerts.alert_key IS 'What it is about: account:act_<number>, check:<name>, ...';

COMMENT ON COLUMN meta_ads.alerts.source IS 'Who looks after it: what this source no longer names is over';

COMMENT ON COLUMN meta_ads.alerts.kind IS 'stale, failing, throttled, check, run, token, error_rate';

COMMENT ON COLUMN meta_ads.alerts.account_id IS 'Ad account, where it is about one';

COMMENT ON COLUMN meta_ads.alerts.subject IS 'Name of it for people';

COMMENT ON COLUMN meta_ads.alerts.grade IS '1 warning, 2 error, 3 urgent; told again when it rises';

COMMENT ON COLUMN meta_ads.alerts.cause IS 'What is wrong, in words that fit every account it happens to';

COMMENT ON COLUMN meta_ads.alerts.what_to_do IS 'The next step';

COMMENT ON COLUMN meta_ads.alerts.link IS 'Path in Dagster''s UI, such as /runs/<id>';

COMMENT ON COLUMN meta_ads.alerts.opened_at IS 'Since when';

COMMENT ON COLUMN meta_ads.alerts.changed_at IS 'When any of this last changed';

COMMENT ON COLUMN meta_ads.alerts.resolved_at IS 'When it was over; null while it is open';

CREATE INDEX alerts_open_idx ON meta_ads.alerts (source) WHERE resolved_at IS NULL;
