-- What the API keeps beside jobs and objects (src/api).

-- Custom templates. At most one default per (type, subtype).
CREATE TABLE template (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    type BIGINT NOT NULL,
    subtype BIGINT NOT NULL,
    config TEXT NOT NULL,          -- JSON, as it was sent
    is_default BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    modified_us BIGINT NOT NULL
);
CREATE INDEX template_by_name ON template (name);
CREATE INDEX template_by_type ON template (type, subtype, created_us);

-- Media ids, as {"Type":"Media"} names them.
CREATE TABLE media (
    id TEXT PRIMARY KEY,
    uri TEXT NOT NULL,             -- oss://bucket/key: the source file
    created_us BIGINT NOT NULL
);
