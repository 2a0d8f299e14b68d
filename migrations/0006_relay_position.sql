-- Up to where the relay has published the outbox: one row. The relay publishes in the order of ids and without a gap, and
-- nothing appears below a place that it read to (workers/store/outbox), so that one number says what a mark on every
-- event did, without writing every event twice.
CREATE TABLE outbox_relay (
    published_to bigint NOT NULL,
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO outbox_relay (published_to)
SELECT coalesce((SELECT min(id) - 1 FROM outbox WHERE published_at IS NULL), (SELECT max(id) FROM outbox), 0);

DROP INDEX outbox_unpublished;
ALTER TABLE outbox DROP COLUMN published_at;
