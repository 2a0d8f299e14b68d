-- Workers draw the numbers of reservations and payments in blocks: a value of the sequence is the first of a thousand. The
-- largest first number leaves room for its block below 2^29.
ALTER SEQUENCE reservation_numbers INCREMENT BY 1000 MAXVALUE 536869001;
ALTER SEQUENCE payment_numbers INCREMENT BY 1000 MAXVALUE 536869001;
