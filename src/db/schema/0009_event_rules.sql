-- Whom to tell when objects come, change and go (src/events/object_rules.h).
CREATE TABLE event_rule (
    name TEXT PRIMARY KEY,
    event_types TEXT NOT NULL,     -- JSON array: ["ObjectCreated:*"]
    match_rules TEXT NOT NULL,     -- JSON array of arrays, as CreateEventRule takes it; "or" of "and"
    endpoint_type TEXT NOT NULL,   -- queue, topic
    endpoint TEXT NOT NULL,        -- its name
    created_us BIGINT NOT NULL
);
