-- Events: what happened, whom to tell, whether they heard (src/events).

-- What happened. `subject` is what order is kept for: a job's id, or bucket/key of an object.
CREATE TABLE event (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,            -- the wire's word: MediaConvertComplete
    body TEXT NOT NULL,            -- the whole envelope (JSON), sent as it is
    created_us BIGINT NOT NULL
);
CREATE INDEX event_by_age ON event (created_us);

-- One row per event and subscriber. At most one waiting row of a (subject, subscriber) has a due_us
-- below 9223372036854775807, "not before its turn"; whoever ends that one gives the next its turn.
CREATE TABLE event_delivery (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    subscriber TEXT NOT NULL,      -- account: SetEventCallback; job: its NotifyAddress
    seq BIGINT NOT NULL,           -- 1, 2, 3 within (subject, subscriber)
    target_kind TEXT NOT NULL,     -- http, mns
    target TEXT NOT NULL,          -- the URL, or the queue's name
    receiver TEXT NOT NULL,        -- scheme://host:port or mns:queue: what concurrency is bounded by
    state BIGINT NOT NULL,         -- enum kn_delivery_state
    due_us BIGINT NOT NULL,        -- next attempt; while one is under way, when its lease ends
    lease TEXT,                    -- who makes the attempt under way
    n_attempts BIGINT NOT NULL,
    n_round BIGINT NOT NULL,       -- attempts since it was written or redelivered: back-off
    first_us BIGINT NOT NULL,      -- first attempt of this round, 0 before it: a day counts from here
    last_status BIGINT NOT NULL,   -- HTTP status of the last attempt, 0 without an answer
    last_error TEXT,
    last_latency_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    ended_us BIGINT NOT NULL       -- acknowledged or set aside; 0 while waiting
);
CREATE UNIQUE INDEX event_delivery_order ON event_delivery (subject, subscriber, seq);
CREATE INDEX event_delivery_due ON event_delivery (receiver, due_us) WHERE state = 0;
CREATE INDEX event_delivery_by_age ON event_delivery (created_us, id);
CREATE INDEX event_delivery_by_event ON event_delivery (event_id);

CREATE TABLE event_attempt (
    delivery_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    status BIGINT NOT NULL,
    error TEXT,
    latency_us BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, n)
);

-- SetEventCallback: at most one row, id 'account'.
CREATE TABLE event_callback (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,            -- HTTP or MNS, as on the wire
    url TEXT NOT NULL,
    queue_name TEXT NOT NULL,
    event_types TEXT NOT NULL,     -- comma-separated; '' none, 'ALL' all
    is_signed BIGINT NOT NULL,     -- AuthSwitch
    auth_key TEXT NOT NULL,
    modified_us BIGINT NOT NULL
);
