-- The web application's members, used links and audit.

CREATE TABLE meta_ads.web_members (
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT web_members_pkey PRIMARY KEY (subject),
    CONSTRAINT web_members_role_check CHECK (role IN ('viewer','analyst','admin')),
    CONSTRAINT web_members_subject_check CHECK (subject = lower(subject) AND subject <> '')
);

COMMENT ON TABLE meta_ads.web_members IS 'One row per person who may open the web application';

COMMENT ON COLUMN meta_ads.web_members.subject IS 'Who: an e-mail address or user name in small letters';

COMMENT ON COLUMN meta_ads.web_members.role IS 'viewer, analyst or admin';

COMMENT ON COLUMN meta_ads.web_members.added_by IS 'Who let them in';

COMMENT ON COLUMN meta_ads.web_members.added_at IS 'When';

CREATE TABLE meta_ads.web_links (
    link_hash TEXT NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT web_links_pkey PRIMARY KEY (link_hash)
);

COMMENT ON TABLE meta_ads.web_links IS 'One row per one-time link that somebody came in by lately';

COMMENT ON COLUMN meta_ads.web_links.link_hash IS 'SHA-256 of what makes the link unique';

COMMENT ON COLUMN meta_ads.web_links.used_at IS 'When';

CREATE TABLE meta_ads.web_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    CONSTRAINT web_events_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE meta_ads.web_events IS 'One row per change somebody made in the web application; rows are only ever added';

COMMENT ON COLUMN meta_ads.web_events.id IS 'Running number';

COMMENT ON COLUMN meta_ads.web_events.at IS 'When';

COMMENT ON COLUMN meta_ads.web_events.actor IS 'Who: the member''s subject, or owner for a one-time link';

COMMENT ON COLUMN meta_ads.web_events.action IS 'What was done, such as signed in or member added';

COMMENT ON COLUMN meta_ads.web_events.detail IS 'To what, in words; never a secret';

CREATE INDEX web_events_at_idx ON meta_ads.web_events (at);

CREATE TRIGGER web_events_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON meta_ads.web_events
    FOR EACH STATEMENT EXECUTE FUNCTION meta_ads.refuse_change();
