-- Webhook deliveries.

CREATE TABLE meta_ads.webhook_deliveries (
    body_hash TEXT NOT NULL,
    body BYTEA NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (body_hash)
);

-- Not compressed: that would take longer than all the rest of an answer, for a row that goes again.
ALTER TABLE meta_ads.webhook_deliveries ALTER COLUMN body SET STORAGE EXTERNAL;

COMMENT ON TABLE meta_ads.webhook_deliveries IS 'One row per delivery of Meta''s that was answered and not yet taken apart into webhook_changes';

COMMENT ON COLUMN meta_ads.webhook_deliveries.body_hash IS 'SHA-256 of the body: a delivery that comes again is the same';

COMMENT ON COLUMN meta_ads.webhook_deliveries.body IS 'The signed bytes as Meta sent them';

COMMENT ON COLUMN meta_ads.webhook_deliveries.received_at IS 'When it was answered';

CREATE INDEX webhook_deliveries_received_at_idx ON meta_ads.webhook_deliveries (received_at);
