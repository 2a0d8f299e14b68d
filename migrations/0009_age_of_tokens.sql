-- The purge looks at tokens that were issued long ago only, instead of reading all of them every minute.
CREATE INDEX queue_tokens_age ON queue_tokens USING brin (issued_at);
