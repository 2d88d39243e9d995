-- Requests that came to nothing are listed by index, and what Meta no longer recommends is removed so.

CREATE INDEX sync_requests_undone_idx ON meta_ads.sync_requests (state, requested_at, request_id)
    WHERE state IN ('failed','cancelled');

CREATE INDEX meta_recommendations_gone_at_idx ON meta_ads.meta_recommendations (gone_at)
    WHERE gone_at IS NOT NULL;
