-- Tenants.

CREATE TABLE meta_ads.tenants (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT tenants_pkey PRIMARY KEY (tenant),
    CONSTRAINT tenants_tenant_check CHECK (tenant ~ '^[a-z0-9][a-z0-9_-]{0,31}$')
);

COMMENT ON TABLE meta_ads.tenants IS 'One row per tenant: one client of an agency, say; default is the house itself';

COMMENT ON COLUMN meta_ads.tenants.tenant IS 'Short name it is addressed by';

COMMENT ON COLUMN meta_ads.tenants.name IS 'Its name for people';

COMMENT ON COLUMN meta_ads.tenants.added_at IS 'When it was added';

CREATE TABLE meta_ads.members (
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    added_by TEXT NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (tenant, subject),
    FOREIGN KEY(tenant) REFERENCES meta_ads.tenants (tenant) ON DELETE CASCADE,
    CONSTRAINT members_role_check CHECK (role IN ('viewer','analyst','admin')),
    CONSTRAINT members_subject_check CHECK (subject <> '')
);

COMMENT ON TABLE meta_ads.members IS 'One row per tenant and person who may sign in for it';

COMMENT ON COLUMN meta_ads.members.tenant IS 'Tenant it belongs to';

COMMENT ON COLUMN meta_ads.members.subject IS 'E-mail address or user name, case folded';

COMMENT ON COLUMN meta_ads.members.role IS 'viewer looks, analyst also asks for syncs, admin also decides';

COMMENT ON COLUMN meta_ads.members.added_at IS 'When the person got in';

COMMENT ON COLUMN meta_ads.members.added_by IS 'Who let them in';

CREATE INDEX members_subject_idx ON meta_ads.members (subject);

CREATE TABLE meta_ads.tenant_accounts (
    tenant TEXT NOT NULL,
    account_id TEXT NOT NULL,
    granted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT tenant_accounts_pkey PRIMARY KEY (tenant, account_id),
    FOREIGN KEY(tenant) REFERENCES meta_ads.tenants (tenant) ON DELETE CASCADE
);

COMMENT ON TABLE meta_ads.tenant_accounts IS 'One row per tenant and ad account that belongs to it; every new account belongs to default';

COMMENT ON COLUMN meta_ads.tenant_accounts.tenant IS 'Tenant it belongs to';

COMMENT ON COLUMN meta_ads.tenant_accounts.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.tenant_accounts.granted_at IS 'When it became the tenant''s';

CREATE INDEX tenant_accounts_account_id_idx ON meta_ads.tenant_accounts (account_id);

CREATE TABLE meta_ads.tenant_roles (
    role_name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    is_ours BOOLEAN NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT tenant_roles_pkey PRIMARY KEY (role_name),
    FOREIGN KEY(tenant) REFERENCES meta_ads.tenants (tenant) ON DELETE CASCADE
);

COMMENT ON TABLE meta_ads.tenant_roles IS 'One row per login role of Postgres that sees one tenant''s rows and no others';

COMMENT ON COLUMN meta_ads.tenant_roles.role_name IS 'Name of the role';

COMMENT ON COLUMN meta_ads.tenant_roles.tenant IS 'Tenant it belongs to';

COMMENT ON COLUMN meta_ads.tenant_roles.is_ours IS 'True when it was made here and goes with its tenant';

COMMENT ON COLUMN meta_ads.tenant_roles.added_at IS 'When it was added';

CREATE INDEX tenant_roles_tenant_idx ON meta_ads.tenant_roles (tenant);

-- The installation's own tenant: every account there is, and every later one, belongs to it.
INSERT INTO meta_ads.tenants (tenant, name, added_at)
SELECT tenant, tenant, now() FROM meta_ads.connections
UNION
SELECT tenant, tenant, now() FROM meta_ads.login_states
UNION
SELECT tenant, tenant, now() FROM meta_ads.pending_connections
UNION
SELECT 'default', 'default', now();

INSERT INTO meta_ads.tenant_accounts (tenant, account_id, granted_at)
SELECT 'default', account_id, now() FROM meta_ads.meta_ad_accounts;

-- Whoever may open the web application is a member of it.
INSERT INTO meta_ads.members (tenant, subject, role, added_at, added_by)
SELECT 'default', subject, role, added_at, added_by FROM meta_ads.web_members;

DROP TABLE meta_ads.web_members;

ALTER TABLE meta_ads.web_events ADD COLUMN tenant TEXT
    DEFAULT coalesce(nullif(current_setting('meta_ads.tenant', true), ''), 'default') NOT NULL;

COMMENT ON COLUMN meta_ads.web_events.tenant IS 'For which tenant it was done';

CREATE FUNCTION meta_ads.grant_to_default() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO meta_ads.tenant_accounts (tenant, account_id, granted_at)
    SELECT 'default', account_id, now() FROM added
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION meta_ads.grant_to_default() IS 'A new ad account belongs to the tenant default';

CREATE TRIGGER meta_ad_accounts_default AFTER INSERT ON meta_ads.meta_ad_accounts
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION meta_ads.grant_to_default();

ALTER TABLE meta_ads.connections ADD FOREIGN KEY(tenant) REFERENCES meta_ads.tenants (tenant);

COMMENT ON COLUMN meta_ads.schema_views.digest IS 'SHA-256 of what it was made from';
