-- Of a pending batch: when a message for it was put into the queue; NULL: none is known to be there. A claim sets it to NULL.
ALTER TABLE batch_progress ADD COLUMN queued_at DATETIME(3) NULL;
-- `batch`: what failed was not one message, but all that is done with its batch.
ALTER TABLE message_errors MODIFY COLUMN stage ENUM('fetch', 'assemble', 'upload', 'batch') NOT NULL;
