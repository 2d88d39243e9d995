-- Facts of a tenant about an account are found without those that other tenants sent about it.

CREATE INDEX facts_account_id_tenant_date_start_idx
    ON meta_ads.facts (account_id, tenant, date_start);

DROP INDEX meta_ads.facts_account_id_date_start_idx;
