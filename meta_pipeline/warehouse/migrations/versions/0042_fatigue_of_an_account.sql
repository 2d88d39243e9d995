-- What webhooks told of tired creatives is found by account.

CREATE INDEX webhook_changes_fatigue_idx ON meta_ads.webhook_changes (account_id, received_at)
    WHERE field = 'creative_fatigue';
