-- Custom conversions, custom audiences and images.

CREATE TABLE meta_ads.meta_custom_conversions (
    account_id TEXT NOT NULL,
    custom_conversion_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    custom_event_type TEXT,
    event_source_type TEXT,
    pixel_id TEXT,
    data_sources JSONB,
    rule TEXT,
    aggregation_rule TEXT,
    default_conversion_value NUMERIC,
    retention_days INTEGER,
    is_archived BOOLEAN,
    is_unavailable BOOLEAN,
    created_time TIMESTAMP WITH TIME ZONE,
    first_fired_time TIMESTAMP WITH TIME ZONE,
    last_fired_time TIMESTAMP WITH TIME ZONE,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    deleted_seen_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_custom_conversions_pkey PRIMARY KEY (account_id, custom_conversion_id)
);

COMMENT ON TABLE meta_ads.meta_custom_conversions IS 'One row per ad account and custom conversion that it may use';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.custom_conversion_id IS 'Id of the custom conversion, as in offsite_conversion.custom.<id>';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.name IS 'Name';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.description IS 'What its maker wrote about it';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.custom_event_type IS 'Standard event it stands for: PURCHASE, LEAD, OTHER, ...';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.event_source_type IS 'Kind of source: pixel, ...';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.pixel_id IS 'Pixel whose events it counts';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.data_sources IS 'Sources of its events as Meta lists them';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.rule IS 'Which events it counts, JSON as Meta writes it';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.aggregation_rule IS 'How several events of a person are added up';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.default_conversion_value IS 'Value of an event without one, as Meta writes it';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.retention_days IS 'Days for which events are remembered';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.is_archived IS 'Archived: it counts no more and cannot be chosen';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.is_unavailable IS 'Meta does not let it be used';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.created_time IS 'When it was created';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.first_fired_time IS 'When it first counted an event';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.last_fired_time IS 'When it last counted an event';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.is_deleted IS 'True once Meta says DELETED or no longer lists it; the row stays';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.deleted_seen_at IS 'When the deletion was first seen here';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_cursor';

COMMENT ON COLUMN meta_ads.meta_custom_conversions.extra IS 'Fields Meta sent that have no column of their own';

CREATE TABLE meta_ads.meta_custom_audiences (
    account_id TEXT NOT NULL,
    audience_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    subtype TEXT,
    size_lower_bound BIGINT,
    size_upper_bound BIGINT,
    operation_status JSONB,
    delivery_status JSONB,
    data_source JSONB,
    customer_file_source TEXT,
    lookalike_spec JSONB,
    pixel_id TEXT,
    rule TEXT,
    retention_days INTEGER,
    is_value_based BOOLEAN,
    created_time TIMESTAMP WITH TIME ZONE,
    updated_time TIMESTAMP WITH TIME ZONE,
    content_updated_time TIMESTAMP WITH TIME ZONE,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    deleted_seen_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_custom_audiences_pkey PRIMARY KEY (account_id, audience_id)
);

COMMENT ON TABLE meta_ads.meta_custom_audiences IS 'One row per ad account and custom audience or lookalike that it may use; nobody in them is stored';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.audience_id IS 'Audience id, as targeting names it';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.name IS 'Name';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.description IS 'What its maker wrote about it';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.subtype IS 'CUSTOM, WEBSITE, LOOKALIKE, ENGAGEMENT, ...';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.size_lower_bound IS 'People at least, as Meta estimates; null: Meta does not say';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.size_upper_bound IS 'People at most, as Meta estimates; null: Meta does not say';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.operation_status IS 'Whether it can be used, code and description; 200 is well';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.delivery_status IS 'Whether ads can be delivered to it; 300 is too small';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.data_source IS 'Where its people come from';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.customer_file_source IS 'Who gave a customer list';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.lookalike_spec IS 'Of a lookalike: what it resembles, where, how closely';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.pixel_id IS 'Pixel of a website audience';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.rule IS 'Who gets in, JSON as Meta writes it';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.retention_days IS 'Days for which people stay in';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.is_value_based IS 'Its people have values';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.created_time IS 'When it was created';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.updated_time IS 'When what it is was last changed';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.content_updated_time IS 'When who is in it last changed';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.is_deleted IS 'True once Meta says DELETED or no longer lists it; the row stays';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.deleted_seen_at IS 'When the deletion was first seen here';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_cursor';

COMMENT ON COLUMN meta_ads.meta_custom_audiences.extra IS 'Fields Meta sent that have no column of their own';

CREATE TABLE meta_ads.meta_images (
    account_id TEXT NOT NULL,
    image_id TEXT NOT NULL,
    image_hash TEXT,
    name TEXT,
    status TEXT,
    width INTEGER,
    height INTEGER,
    original_width INTEGER,
    original_height INTEGER,
    permalink_url TEXT,
    url TEXT,
    url_128 TEXT,
    is_in_ads BOOLEAN,
    created_time TIMESTAMP WITH TIME ZONE,
    updated_time TIMESTAMP WITH TIME ZONE,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    deleted_seen_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    data_as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    extra JSONB,
    CONSTRAINT meta_images_pkey PRIMARY KEY (account_id, image_id)
);

COMMENT ON TABLE meta_ads.meta_images IS 'One row per ad account and image of its library; the files stay with Meta';

COMMENT ON COLUMN meta_ads.meta_images.account_id IS 'Ad account, as act_<number>; the partition key too';

COMMENT ON COLUMN meta_ads.meta_images.image_id IS 'Id as Meta writes it: account and hash';

COMMENT ON COLUMN meta_ads.meta_images.image_hash IS 'Hash, by which creatives name the image';

COMMENT ON COLUMN meta_ads.meta_images.name IS 'File name';

COMMENT ON COLUMN meta_ads.meta_images.status IS 'ACTIVE, INTERNAL, DELETED';

COMMENT ON COLUMN meta_ads.meta_images.width IS 'Width in pixels';

COMMENT ON COLUMN meta_ads.meta_images.height IS 'Height in pixels';

COMMENT ON COLUMN meta_ads.meta_images.original_width IS 'Width of the file that was uploaded';

COMMENT ON COLUMN meta_ads.meta_images.original_height IS 'Height of the file that was uploaded';

COMMENT ON COLUMN meta_ads.meta_images.permalink_url IS 'Address that lasts';

COMMENT ON COLUMN meta_ads.meta_images.url IS 'Signed address; expires';

COMMENT ON COLUMN meta_ads.meta_images.url_128 IS 'Signed address of a preview of 128 pixels; expires';

COMMENT ON COLUMN meta_ads.meta_images.is_in_ads IS 'Whether a creative of an ad uses it';

COMMENT ON COLUMN meta_ads.meta_images.created_time IS 'When it was uploaded';

COMMENT ON COLUMN meta_ads.meta_images.updated_time IS 'When it was last changed';

COMMENT ON COLUMN meta_ads.meta_images.is_deleted IS 'True once Meta says DELETED or no longer lists it; the row stays';

COMMENT ON COLUMN meta_ads.meta_images.deleted_seen_at IS 'When the deletion was first seen here';

COMMENT ON COLUMN meta_ads.meta_images.first_seen_at IS 'When this row was first written';

COMMENT ON COLUMN meta_ads.meta_images.data_as_of IS 'When Meta gave these very values; reads that found the same are in sync_cursor';

COMMENT ON COLUMN meta_ads.meta_images.extra IS 'Fields Meta sent that have no column of their own';

CREATE INDEX meta_images_account_id_image_hash_idx ON meta_ads.meta_images (account_id, image_hash);

ALTER TABLE meta_ads.sync_runs ADD COLUMN custom_conversions_fetched INTEGER;

COMMENT ON COLUMN meta_ads.sync_runs.custom_conversions_fetched IS 'Custom conversions Meta returned';

ALTER TABLE meta_ads.sync_runs ADD COLUMN custom_audiences_fetched INTEGER;

COMMENT ON COLUMN meta_ads.sync_runs.custom_audiences_fetched IS 'Custom audiences Meta returned';

ALTER TABLE meta_ads.sync_runs ADD COLUMN images_fetched INTEGER;

COMMENT ON COLUMN meta_ads.sync_runs.images_fetched IS 'Images Meta returned';
