-- Failed messages and windows that cannot be had, settled by `accept`: one row for each time somebody did so.
CREATE TABLE IF NOT EXISTS acceptances (
  acceptance_id  BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  reason         VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- User and host.
  accepted_by    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  accepted_at    DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which failures were accepted: a message, its attempt, its code. A record that stays when the acceptance has ended.
CREATE TABLE IF NOT EXISTS accepted_failures (
  acceptance_id  BIGINT UNSIGNED NOT NULL,
  message_id     VARBINARY(512) NOT NULL,
  index_id       INT UNSIGNED NOT NULL,
  job_id         BIGINT UNSIGNED NOT NULL,
  attempt        SMALLINT UNSIGNED NOT NULL,
  code           VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (acceptance_id, message_id, index_id),
  KEY message (message_id, index_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Accepted messages lie in failed batches of their own, which nobody claims: such a batch's `failed` is the number of accepted
-- ones, whoever takes messages out of it. Once a batch was claimed or has failed as a whole, its messages are no longer accepted.
ALTER TABLE batch_progress ADD COLUMN acceptance_id BIGINT UNSIGNED NULL;

-- A window is accepted as long as its row has not changed since (changed_at = accepted_at): earlier versions, which read it
-- again, know nothing of acceptances.
ALTER TABLE extract_windows
  ADD COLUMN acceptance_id BIGINT UNSIGNED NULL,
  ADD COLUMN accepted_at DATETIME(6) NULL,
  ADD COLUMN changed_at DATETIME(6) NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(6);

-- Which concrete indices a job's messages were read from, by the UUID that Elasticsearch gave them: an index that was deleted and
-- made again under its name has another one. A job that read an index before and after that has two rows.
CREATE TABLE IF NOT EXISTS job_indices (
  job_id      BIGINT UNSIGNED NOT NULL,
  index_id    INT UNSIGNED NOT NULL,
  index_uuid  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at  DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (job_id, index_id, index_uuid)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
