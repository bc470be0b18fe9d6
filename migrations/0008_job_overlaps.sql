-- Which other jobs hold the messages that an extraction met as duplicates, by window, so that a window that is read again starts
-- over. The messages of a window's rows add up to its duplicates; where they don't, an earlier version read it, and nothing is
-- known of it.
CREATE TABLE IF NOT EXISTS job_overlaps (
  job_id        BIGINT UNSIGNED NOT NULL,
  window_id     INT UNSIGNED NOT NULL,
  other_job_id  BIGINT UNSIGNED NOT NULL,
  messages      BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (job_id, window_id, other_job_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Claiming within certain jobs must not read or lock the batches of others.
ALTER TABLE batch_progress ADD KEY job_status (job_id, status, batch_id);
