-- The sale: queue tokens, reservations and payments. These are the tables that a sale's minute writes: their references
-- are checked under locks by the statements that load them (users, schedules and rooms are never deleted), because a
-- foreign key's check per row costs more than the row; `audit` looks for strays.

-- status: 0 waiting, 1 active, 2 expired, 3 used. ordinal is the place in the order of arrival.
-- hold_until keeps an active token alive while it has a live hold; it is not indexed, so that holding stays cheap.
CREATE TABLE queue_tokens (
    token       uuid PRIMARY KEY,
    schedule_id bigint      NOT NULL,
    user_id     bigint      NOT NULL,
    ordinal     bigint GENERATED ALWAYS AS IDENTITY,
    status      smallint    NOT NULL CHECK (status BETWEEN 0 AND 3),
    issued_at   timestamptz NOT NULL,
    active_at   timestamptz,
    expires_at  timestamptz NOT NULL,
    hold_until  timestamptz,
    CONSTRAINT an_active_token_was_admitted CHECK (status <> 1 OR active_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX queue_tokens_one_live ON queue_tokens (user_id, schedule_id) WHERE status < 2;
CREATE INDEX queue_tokens_waiting ON queue_tokens (schedule_id, ordinal) WHERE status = 0;
CREATE INDEX queue_tokens_active ON queue_tokens (schedule_id) WHERE status = 1;
CREATE INDEX queue_tokens_expiry ON queue_tokens (expires_at) WHERE status < 2;

-- Numbers reservations and payments within 2^29; they need only be unique within a schedule.
CREATE SEQUENCE reservation_numbers MINVALUE 1 MAXVALUE 536870911 CYCLE;
CREATE SEQUENCE payment_numbers MINVALUE 1 MAXVALUE 536870911 CYCLE;

-- status: 0 reserved, 1 paid, 2 cancelled, 3 expired.
CREATE TABLE reservations (
    id           bigint PRIMARY KEY,
    schedule_id  bigint      NOT NULL,
    user_id      bigint      NOT NULL,
    token        uuid        NOT NULL,
    command_id   uuid        NOT NULL,
    seat_ids     bigint[]    NOT NULL CHECK (cardinality(seat_ids) > 0),
    total_amount bigint      NOT NULL CHECK (total_amount >= 0),
    status       smallint    NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 3),
    reserved_at  timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT a_reservation_carries_its_schedule CHECK (id >> 29 = schedule_id)
) WITH (fillfactor = 80);
CREATE INDEX reservations_of_user ON reservations (user_id, schedule_id);
CREATE INDEX reservations_live ON reservations (expires_at) WHERE status = 0;

CREATE TABLE payments (
    id             bigint PRIMARY KEY,
    reservation_id bigint      NOT NULL UNIQUE,
    user_id        bigint      NOT NULL,
    amount         bigint      NOT NULL CHECK (amount >= 0),
    paid_at        timestamptz NOT NULL
);
