-- Points in time are milliseconds since the Unix epoch, durations are milliseconds.
CREATE TABLE {table} (
    -- Two bytes of partition, then the SHA-256 digest of namespace and token: no token is stored.
    session_key BINARY(34) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When the client last proved who it is.
    authenticated_at BIGINT,
    idle_deadline BIGINT NOT NULL,
    absolute_deadline BIGINT NOT NULL,
    ends_at BIGINT GENERATED ALWAYS AS (LEAST(idle_deadline, absolute_deadline)) STORED,
    -- Timeouts of the session's own, both or none.
    idle_timeout BIGINT,
    absolute_timeout BIGINT,
    -- Who is signed in, in UTF-8: bytes, because texts with and without a space behind them are equal here.
    subject VARBINARY(255),
    -- From what device. One of which nothing is known is two empty texts.
    user_agent VARCHAR(255),
    address VARCHAR(255),
    payload MEDIUMBLOB NOT NULL,
    INDEX {index:ends_at} (ends_at),
    INDEX {index:subject} (subject, session_key)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
