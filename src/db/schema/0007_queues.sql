-- Queues and topics (src/queues). Ids are never used again, so that what is left of something removed
-- cannot turn up in its successor.

CREATE TABLE queue (
    id @SERIAL@,
    name TEXT NOT NULL UNIQUE,
    delay_us BIGINT NOT NULL,
    max_message_bytes BIGINT NOT NULL,
    retention_us BIGINT NOT NULL,
    visibility_us BIGINT NOT NULL,
    polling_wait_us BIGINT NOT NULL,
    is_logging BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    modified_us BIGINT NOT NULL
);

-- Queues that were removed while they had messages: those go little by little.
CREATE TABLE queue_removed (
    queue_id BIGINT NOT NULL PRIMARY KEY
);

-- A message is ready, or hidden until visible_us: delayed, or taken by somebody. Whoever receives first
-- makes those ready whose time has come; so the next message is the first of an index, however many
-- others are hidden.
CREATE TABLE queue_message (
    seq @SERIAL@,
    queue_id BIGINT NOT NULL,
    salt BIGINT NOT NULL,              -- the other half of MessageId: one cannot be guessed from another
    priority BIGINT NOT NULL,          -- 1 to 16, smaller first
    is_ready BIGINT NOT NULL,
    visible_us BIGINT NOT NULL,
    enqueued_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    first_dequeued_us BIGINT NOT NULL, -- 0: never
    n_dequeued BIGINT NOT NULL,
    claim_n BIGINT NOT NULL,           -- counts receipt handles: only the last one holds
    properties TEXT,                   -- JSON, as kn_message_send takes it
    body TEXT NOT NULL
);
CREATE INDEX queue_message_ready ON queue_message (queue_id, priority, seq) WHERE is_ready = 1;
CREATE INDEX queue_message_hidden ON queue_message (queue_id, visible_us) WHERE is_ready = 0;
CREATE INDEX queue_message_by_end ON queue_message (expires_us);

CREATE TABLE topic (
    id @SERIAL@,
    name TEXT NOT NULL UNIQUE,
    max_message_bytes BIGINT NOT NULL,
    is_logging BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    modified_us BIGINT NOT NULL
);

CREATE TABLE topic_subscription (
    id @SERIAL@,
    topic_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    filter_tag TEXT NOT NULL,          -- '' all
    strategy BIGINT NOT NULL,          -- enum kn_notify_strategy
    format BIGINT NOT NULL,            -- enum kn_notify_format
    created_us BIGINT NOT NULL,
    modified_us BIGINT NOT NULL
);
CREATE UNIQUE INDEX topic_subscription_by_name ON topic_subscription (topic_id, name);

-- A message that somebody is still to be told of.
CREATE TABLE topic_message (
    seq @SERIAL@,
    topic_id BIGINT NOT NULL,
    id TEXT NOT NULL,
    tag TEXT NOT NULL,                 -- '' none
    body TEXT NOT NULL,
    published_us BIGINT NOT NULL
);
CREATE INDEX topic_message_by_topic ON topic_message (topic_id, seq);

-- A row per message and subscription that has not acknowledged it.
CREATE TABLE topic_push (
    seq @SERIAL@,
    message_seq BIGINT NOT NULL,
    subscription_id BIGINT NOT NULL,
    due_us BIGINT NOT NULL,            -- next attempt; while one is under way, when its lease ends
    lease TEXT,                        -- who makes it
    n_attempts BIGINT NOT NULL
);
CREATE INDEX topic_push_due ON topic_push (subscription_id, due_us);
CREATE INDEX topic_push_by_message ON topic_push (message_seq);
