-- What a tenant's members did last is found by index, however much others did since.
CREATE INDEX web_events_tenant_at_idx ON meta_ads.web_events (tenant, at);
