-- A plan that was made while nobody was live is kept until statistics are new, and then a crowd is there: whichever index of
-- live tokens it took, it must walk along a few entries of it. All of them begin with the schedule now, and the one by time
-- is for nobody but who asks in its words (`status + 0 < 2`): it has every live token of every schedule.
DROP INDEX queue_tokens_one_live;
CREATE UNIQUE INDEX queue_tokens_one_live ON queue_tokens (schedule_id, user_id) WHERE status < 2;
DROP INDEX queue_tokens_expiry;
CREATE INDEX queue_tokens_expiry ON queue_tokens (expires_at) WHERE status + 0 < 2;
