COMMENT ON COLUMN meta_ads.connection_events.event IS 'added, replaced, checked, expired, revoked, renewed, renewal_failed, token_revoked, resealed, removed, deauthorized, data_deleted';
