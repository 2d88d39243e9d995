-- Which facts a tenant has, without reading all of them.

CREATE INDEX facts_tenant_provider_metric_idx ON meta_ads.facts (tenant, provider, metric);
