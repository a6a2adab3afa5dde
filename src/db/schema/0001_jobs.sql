-- Jobs, pipelines, bodies, keys, nonces, settings. Times are microseconds, booleans 0 or 1.

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    modified_us BIGINT NOT NULL
);

-- Large texts, addressed by SHA-256: specs, requests, results.
CREATE TABLE body (
    hash BLOB NOT NULL PRIMARY KEY,
    content TEXT NOT NULL
);

CREATE TABLE pipeline (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    speed TEXT NOT NULL,
    priority BIGINT NOT NULL,
    max_running BIGINT NOT NULL,
    -- How many jobs run, counted only while max_running is not 0: a counter that nobody needs would
    -- make all claims and finishes of a busy pipeline queue up for one row.
    n_running BIGINT NOT NULL,
    is_paused BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    modified_us BIGINT NOT NULL
);

CREATE TABLE job (
    seq @SERIAL@,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    pipeline_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    state BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    -- Counts claims and never goes back, so that a late worker cannot be taken for a new one.
    attempt BIGINT NOT NULL,
    -- Claims that count against the limit of attempts.
    n_tries BIGINT NOT NULL,
    percent BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    started_us BIGINT,
    finished_us BIGINT,
    ready_us BIGINT NOT NULL,
    worker_id TEXT,
    lease_until_us BIGINT,
    is_cancel_asked BIGINT NOT NULL,
    name TEXT,
    request_id TEXT,
    user_data TEXT,
    client_token TEXT,
    notify TEXT,
    detail TEXT,
    code TEXT,
    reason TEXT,
    message TEXT,
    spec_hash BLOB,
    request_hash BLOB,
    result_hash BLOB
);

-- The queue holds only what waits, and what runs lies apart: however many jobs are finished, claims
-- and expiry read small indexes. lease_until_us is in none, so that a renewal rewrites no index.
CREATE INDEX job_queue ON job (pipeline_id, priority DESC, seq) WHERE state = 0;
CREATE INDEX job_running ON job (pipeline_id, worker_id) WHERE state = 1;
CREATE INDEX job_failed ON job (created_us, seq) WHERE state = 3;
CREATE INDEX job_by_kind ON job (kind, created_us, seq);
CREATE INDEX job_by_time ON job (created_us, seq);
-- For removing bodies that no job needs any more.
CREATE INDEX job_by_spec ON job (spec_hash) WHERE spec_hash IS NOT NULL;
CREATE INDEX job_by_request ON job (request_hash) WHERE request_hash IS NOT NULL;
CREATE INDEX job_by_result ON job (result_hash) WHERE result_hash IS NOT NULL;

CREATE TABLE client_token (
    key_id TEXT NOT NULL,
    action TEXT NOT NULL,
    token TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    job_id TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (key_id, action, token)
);
CREATE INDEX client_token_by_time ON client_token (created_us);

CREATE TABLE nonce (
    key_id TEXT NOT NULL,
    nonce TEXT NOT NULL,
    used_us BIGINT NOT NULL,
    PRIMARY KEY (key_id, nonce)
);
CREATE INDEX nonce_by_time ON nonce (used_us);

CREATE TABLE access_key (
    id TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    name TEXT NOT NULL,
    role BIGINT NOT NULL,
    is_active BIGINT NOT NULL,
    is_temporary BIGINT NOT NULL,
    token TEXT NOT NULL,
    bucket_prefix TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT
);
