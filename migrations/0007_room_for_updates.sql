-- An upper bound of a room's active users: the last count, and all who were admitted since. Only admission raises the
-- number, and it does so under the room's lock, so that counting is needed only when the bound leaves too little room.
-- Null: nobody has counted yet.
ALTER TABLE rooms ADD COLUMN active_at_most integer CHECK (active_at_most >= 0);

-- A batch locks and updates neighbouring rows in one transaction: a page needs room for a second version of each of its
-- rows, or every update moves the row to another page and writes every index of it.
ALTER TABLE queue_tokens SET (fillfactor = 50);
ALTER TABLE seats SET (fillfactor = 50);
ALTER TABLE accounts SET (fillfactor = 50);
