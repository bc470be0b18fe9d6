-- Which joins of related records (source.related, as SHA-256) a job is made with, and a batch's messages were completed with. NULL:
-- an earlier version did it, or nothing is completed, or its messages were completed with different ones.
ALTER TABLE job_runs ADD COLUMN joins_hash BINARY(32) NULL;
ALTER TABLE batch_progress ADD COLUMN joins_hash BINARY(32) NULL;

-- Records of each related index in the documents of a batch's completed messages. Of completed messages that are not among
-- `messages` nothing is known: an earlier version completed them, or others of their batch were put back since.
CREATE TABLE IF NOT EXISTS related_counts (
  job_id           BIGINT UNSIGNED NOT NULL,
  batch_id         BIGINT UNSIGNED NOT NULL,
  -- Of the array in the document.
  name             VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  messages         INT UNSIGNED NOT NULL,
  records          BIGINT UNSIGNED NOT NULL,
  -- Messages without any record; of those, messages that lack a field of the join.
  without_records  INT UNSIGNED NOT NULL,
  without_value    INT UNSIGNED NOT NULL,
  PRIMARY KEY (job_id, batch_id, name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
