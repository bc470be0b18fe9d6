-- What a later check needs. A column that is there already is passed over, so that this may run twice.

-- Of the message's own object: the store's version of it, which listings show, too. source_revision stands for the
-- sequence numbers of all documents that went into it: the same number, the same documents.
ALTER TABLE message_tracking ADD COLUMN object_etag VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL;
ALTER TABLE message_tracking ADD COLUMN source_revision INT UNSIGNED NULL;

-- Of the batch's object and of the index of its members.
ALTER TABLE batch_progress ADD COLUMN object_etag VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL;
ALTER TABLE batch_progress ADD COLUMN index_bytes BIGINT UNSIGNED NULL;
ALTER TABLE batch_progress ADD COLUMN index_sha256 BINARY(32) NULL;
ALTER TABLE batch_progress ADD COLUMN index_etag VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL;

-- A verification, and where it stands: it goes on there as long as the tracking tables are what they were
-- (tracking_state).
CREATE TABLE IF NOT EXISTS verify_runs (
  verify_id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  status            ENUM('running', 'completed') NOT NULL DEFAULT 'running',
  -- What is verified, and how: level, sample, job, index, target. SHA-256 of it all.
  scope_key         BINARY(32) NOT NULL,
  tracking_state    BINARY(32) NOT NULL,
  -- How often its position was stored.
  checkpoint        INT UNSIGNED NOT NULL DEFAULT 0,
  stage             VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Where the stage stands, and what was counted so far: JSON.
  position          MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- Objects met so far, by batch_id modulo its length: four bytes each.
  met               MEDIUMBLOB NULL,
  lease_token       CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
  lease_owner       VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  lease_expires_at  DATETIME(6) NULL,
  created_at        DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at        DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  KEY scope (scope_key, verify_id),
  KEY lease (lease_token)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every difference it found; what `--repair` works through.
CREATE TABLE IF NOT EXISTS verify_findings (
  finding_id   BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  verify_id    BIGINT UNSIGNED NOT NULL,
  kind         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  job_id       BIGINT UNSIGNED NULL,
  batch_id     BIGINT UNSIGNED NULL,
  message_id   VARBINARY(512) NULL,
  index_id     INT UNSIGNED NULL,
  object_key   VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  detail       VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- How many messages or objects it stands for.
  amount       BIGINT UNSIGNED NOT NULL DEFAULT 1,
  KEY verification (verify_id, kind, finding_id),
  KEY batch (verify_id, batch_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Keys that do not tell their message, because its id or its index is too long for a path: SHA-256 of the key.
CREATE TABLE IF NOT EXISTS verify_keys (
  verify_id   BIGINT UNSIGNED NOT NULL,
  key_sha256  BINARY(32) NOT NULL,
  message_id  VARBINARY(512) NOT NULL,
  PRIMARY KEY (verify_id, key_sha256)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
