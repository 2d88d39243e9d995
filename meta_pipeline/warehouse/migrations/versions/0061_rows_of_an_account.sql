-- All of an account is deleted by index; each one walked through these tables of all accounts.

CREATE INDEX meta_api_hours_account_id_idx ON meta_ads.meta_api_hours (account_id);

CREATE INDEX meta_api_days_account_id_idx ON meta_ads.meta_api_days (account_id);

CREATE INDEX webhook_changes_account_id_idx ON meta_ads.webhook_changes (account_id);
