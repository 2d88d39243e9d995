-- What a tenant's own connection gave it goes when Meta takes it from that connection and others
-- read it on; what was granted by hand stays.
ALTER TABLE meta_ads.tenant_accounts ADD COLUMN is_by_connection BOOLEAN DEFAULT false NOT NULL;

COMMENT ON COLUMN meta_ads.tenant_accounts.is_by_connection IS 'True when the tenant''s own connection gave it, and not somebody by hand';

-- Of grants from before: what such a connection reaches now and no command named.
UPDATE meta_ads.tenant_accounts AS held SET is_by_connection = true
FROM meta_ads.connection_accounts AS reached JOIN meta_ads.connections AS own USING (connection_id)
WHERE held.tenant <> 'default' AND own.tenant = held.tenant
    AND reached.account_id = held.account_id
    AND NOT EXISTS (
        SELECT FROM meta_ads.web_events AS event
        WHERE event.tenant = held.tenant AND event.action IN ('tenant added', 'accounts granted')
            AND held.account_id = ANY (string_to_array(event.detail, ', '))
    );
