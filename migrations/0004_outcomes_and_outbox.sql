-- What makes effects idempotent, and what tells the world about them.

-- The first outcome of each command that has an effect: the same id again gets it again.
CREATE TABLE command_outcomes (
    command_id uuid PRIMARY KEY,
    ok         boolean     NOT NULL,
    reply      text        NOT NULL,
    created_at timestamptz NOT NULL
);
-- Rows arrive in order of time: a block range index is enough to purge by age, and costs an insert nothing.
CREATE INDEX command_outcomes_age ON command_outcomes USING brin (created_at);

-- A client's own keys: which command had the effect, and of which request.
CREATE TABLE idempotency_keys (
    user_id      bigint      NOT NULL,
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    command_id   uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys USING brin (created_at);

-- Committed effects, to be published at least once.
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid        NOT NULL DEFAULT gen_random_uuid(),
    kind         text        NOT NULL,
    schedule_id  bigint,
    subject      text        NOT NULL,
    data         text        NOT NULL,
    created_at   timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_age ON outbox USING brin (created_at);

-- Work of cron that one process at a time does: whoever holds the slot, until its lease ends.
CREATE TABLE cron_slots (
    job    text PRIMARY KEY,
    holder uuid        NOT NULL,
    until  timestamptz NOT NULL
);
