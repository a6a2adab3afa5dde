-- Buckets and objects of the local back end. A row of `object` is the object: its bytes lie in a file
-- named by `file`, or in `object_bytes` when they are few. Keys are BLOBs because listings go in the
-- order of their bytes, whatever the database's collation.
CREATE TABLE bucket (
    name TEXT NOT NULL PRIMARY KEY,
    acl TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    forbid_overwrite BIGINT NOT NULL,
    cors TEXT
);

CREATE TABLE object (
    bucket TEXT NOT NULL,
    object_key BLOB NOT NULL,
    size_bytes BIGINT NOT NULL,
    modified_us BIGINT NOT NULL,
    etag TEXT NOT NULL,
    crc64 BIGINT NOT NULL,
    has_crc64 BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    type TEXT NOT NULL,
    acl TEXT NOT NULL,
    version TEXT NOT NULL,
    meta TEXT,
    file TEXT NOT NULL,
    is_inline BIGINT NOT NULL,
    PRIMARY KEY (bucket, object_key)
);
CREATE INDEX object_by_file ON object (file);

CREATE TABLE object_bytes (
    file TEXT NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL
);

-- Files nothing refers to any more; kn_store_sweep() unlinks them after a grace period.
CREATE TABLE object_garbage (
    file TEXT NOT NULL PRIMARY KEY,
    since_us BIGINT NOT NULL
);

CREATE TABLE upload (
    id TEXT NOT NULL PRIMARY KEY,
    bucket TEXT NOT NULL,
    object_key BLOB NOT NULL,
    created_us BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    acl TEXT NOT NULL,
    meta TEXT,
    forbid_overwrite BIGINT NOT NULL
);
CREATE INDEX upload_by_key ON upload (bucket, object_key, id);

CREATE TABLE upload_part (
    upload_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    modified_us BIGINT NOT NULL,
    etag TEXT NOT NULL,
    crc64 BIGINT NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (upload_id, number)
);
CREATE INDEX upload_part_by_file ON upload_part (file);
