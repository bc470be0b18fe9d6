-- By its tries a batch is given up, with MySQL alone and by a queue, whose receipts don't tell: a message of it may be lost, and may
-- be received by a process that dies of another batch. `suspect`: nobody has told the end of the last claim, or it broke off with an error nobody foresaw. The next
-- claim makes that a try, unless it is known by then that the batch was not to blame.
ALTER TABLE batch_progress
  ADD COLUMN tries INT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN suspect BOOLEAN NOT NULL DEFAULT FALSE;
