-- Usage: what was used, added up per day (src/usage).
CREATE TABLE usage_entry (
    day TEXT NOT NULL,             -- UTC, 2026-03-01
    kind TEXT NOT NULL,            -- convert, object
    dimension TEXT NOT NULL,       -- what it is counted by: codec=H.264,resolution=HD or bucket=films
    unit TEXT NOT NULL,            -- microseconds, requests_get, bytes_out, …
    amount BIGINT NOT NULL,
    PRIMARY KEY (day, kind, dimension, unit)
);
