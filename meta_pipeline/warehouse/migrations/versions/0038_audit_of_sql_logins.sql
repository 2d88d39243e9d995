COMMENT ON TABLE meta_ads.web_events IS 'One row per sign-in and per change somebody made in the web application, or of tenants, members and SQL logins by command; rows are only ever added';
