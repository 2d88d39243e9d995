-- Custom reports: what each table report_<name> is about.

CREATE TABLE meta_ads.custom_reports (
    report TEXT NOT NULL,
    grain JSONB NOT NULL,
    definition JSONB NOT NULL,
    fields_since JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT custom_reports_pkey PRIMARY KEY (report)
);

COMMENT ON TABLE meta_ads.custom_reports IS 'One row per custom report of META_REPORTS_FILE that has a table, report_<name>';

COMMENT ON COLUMN meta_ads.custom_reports.report IS 'Name of the report; its table is report_<name>';

COMMENT ON COLUMN meta_ads.custom_reports.grain IS 'What one row of its table is about: level, breakdowns, days; it never changes';

COMMENT ON COLUMN meta_ads.custom_reports.definition IS 'The report as the file last described it';

COMMENT ON COLUMN meta_ads.custom_reports.fields_since IS 'Since when each of its fields has a column: rows read before have it null';

COMMENT ON COLUMN meta_ads.custom_reports.created_at IS 'When its table was made';

COMMENT ON COLUMN meta_ads.custom_reports.changed_at IS 'When the file last described it otherwise';
