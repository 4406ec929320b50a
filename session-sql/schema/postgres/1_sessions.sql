-- Points in time are milliseconds since the Unix epoch, durations are milliseconds.
CREATE TABLE {table} (
    -- Two bytes of partition, then the SHA-256 digest of namespace and token: no token is stored.
    session_key BYTEA PRIMARY KEY CHECK (octet_length(session_key) = 34),
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When the client last proved who it is.
    authenticated_at BIGINT,
    idle_deadline BIGINT NOT NULL,
    absolute_deadline BIGINT NOT NULL,
    ends_at BIGINT NOT NULL GENERATED ALWAYS AS (LEAST(idle_deadline, absolute_deadline)) STORED,
    -- Timeouts of the session's own, both or none.
    idle_timeout BIGINT,
    absolute_timeout BIGINT,
    -- Who is signed in, and from what device. A device of which nothing is known is two empty texts.
    -- By its bytes: other orders change with the system's libraries, under the index.
    subject TEXT COLLATE "C",
    user_agent TEXT,
    address TEXT,
    payload BYTEA NOT NULL
);
CREATE INDEX {index:ends_at} ON {table} (ends_at);
CREATE INDEX {index:subject} ON {table} (subject, session_key) WHERE subject IS NOT NULL;

-- One row of heartbeats for each node that listens. That of node 0 is nobody's: it holds the epoch, and
-- the place of the latest echo.
CREATE TABLE {nodes} (
    node BIGINT PRIMARY KEY,
    sent BIGINT NOT NULL,
    handled BIGINT NOT NULL,
    place BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    epoch BIGINT
);
