-- Points in time are milliseconds since the Unix epoch, durations are milliseconds.
CREATE TABLE {table} (
    -- Two bytes of partition, then the SHA-256 digest of namespace and token: no token is stored.
    session_key BLOB NOT NULL PRIMARY KEY CHECK (length(session_key) = 34),
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- When the client last proved who it is.
    authenticated_at INTEGER,
    idle_deadline INTEGER NOT NULL,
    absolute_deadline INTEGER NOT NULL,
    ends_at INTEGER NOT NULL GENERATED ALWAYS AS (min(idle_deadline, absolute_deadline)) STORED,
    -- Timeouts of the session's own, both or none.
    idle_timeout INTEGER,
    absolute_timeout INTEGER,
    -- Who is signed in, and from what device. A device of which nothing is known is two empty texts.
    subject TEXT,
    user_agent TEXT,
    address TEXT,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX {index:ends_at} ON {table} (ends_at);
CREATE INDEX {index:subject} ON {table} (subject, session_key) WHERE subject IS NOT NULL;
