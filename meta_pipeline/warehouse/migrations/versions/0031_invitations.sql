-- Invitations.

CREATE TABLE meta_ads.invitations (
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    invited_at TIMESTAMP WITH TIME ZONE NOT NULL,
    invited_by TEXT NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT invitations_pkey PRIMARY KEY (tenant, subject),
    FOREIGN KEY(tenant) REFERENCES meta_ads.tenants (tenant) ON DELETE CASCADE,
    CONSTRAINT invitations_role_check CHECK (role IN ('viewer','analyst','admin')),
    CONSTRAINT invitations_subject_check CHECK (subject <> '')
);

COMMENT ON TABLE meta_ads.invitations IS 'One row per tenant and person who becomes a member by signing in before it ends';

COMMENT ON COLUMN meta_ads.invitations.tenant IS 'Tenant it belongs to';

COMMENT ON COLUMN meta_ads.invitations.subject IS 'E-mail address or user name, case folded';

COMMENT ON COLUMN meta_ads.invitations.role IS 'What the person will be: viewer, analyst or admin';

COMMENT ON COLUMN meta_ads.invitations.invited_at IS 'When, the last time';

COMMENT ON COLUMN meta_ads.invitations.invited_by IS 'Who invited them';

COMMENT ON COLUMN meta_ads.invitations.ends_at IS 'When it can no longer be accepted';

CREATE INDEX invitations_subject_idx ON meta_ads.invitations (subject);

COMMENT ON TABLE meta_ads.web_events IS 'One row per sign-in and per change somebody made in the web application, or of members by command; rows are only ever added';

COMMENT ON COLUMN meta_ads.web_events.actor IS 'Who: the member''s subject, owner for a one-time link, or whose command';
