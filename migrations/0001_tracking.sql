-- Everything es-migrate knows. Every statement may run twice: MySQL commits DDL at once, so a migration
-- that was cut off is simply run again.
-- Each table says its own engine, row format, character set and collation: whatever the server's and the database's
-- defaults are, keys of more than 767 bytes fit, and no text changes.

-- One row: which database this is. The target's marker file names it.
CREATE TABLE IF NOT EXISTS tracking_database (
  one          TINYINT UNSIGNED NOT NULL DEFAULT 1 PRIMARY KEY,
  database_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at   DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO tracking_database (one, database_id) VALUES (1, UUID());

-- A job is index + filter + dateField + interval (job_key is the SHA-256 of the four); scope_key leaves the
-- interval out and links a job to the one after it.
CREATE TABLE IF NOT EXISTS job_runs (
  job_id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  start_date        DATETIME(3) NOT NULL,
  end_date          DATETIME(3) NOT NULL,
  status            ENUM('running', 'completed', 'failed') NOT NULL,
  next_run_date     DATETIME(3) NULL,
  source_index      VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  date_field        VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  filter            MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  job_key           BINARY(32) NOT NULL,
  scope_key         BINARY(32) NOT NULL,
  -- Where object keys leave the index out, the one index they stand for; NULL: keys name the index.
  plain_key_index   VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  extracted         BIGINT UNSIGNED NOT NULL DEFAULT 0,
  lease_token       CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
  lease_owner       VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  lease_expires_at  DATETIME(6) NULL,
  created_at        DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at        DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  UNIQUE KEY job (job_key),
  KEY scope (scope_key, job_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A job's interval in pieces small enough to be read again.
CREATE TABLE IF NOT EXISTS extract_windows (
  job_id        BIGINT UNSIGNED NOT NULL,
  window_id     INT UNSIGNED NOT NULL,
  start_date    DATETIME(3) NOT NULL,
  end_date      DATETIME(3) NOT NULL,
  status        ENUM('pending', 'reading', 'completed', 'failed') NOT NULL DEFAULT 'pending',
  -- What Elasticsearch counts: when the window was cut, then under the point in time it is read from.
  expected      BIGINT UNSIGNED NOT NULL,
  read_messages BIGINT UNSIGNED NOT NULL DEFAULT 0,
  duplicates    BIGINT UNSIGNED NOT NULL DEFAULT 0,
  pit_id        MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NULL,
  reason        VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  PRIMARY KEY (job_id, window_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Where the readers of an open window stand. search_after is JSON text: its numbers exceed 2^53.
CREATE TABLE IF NOT EXISTS extract_cursors (
  job_id        BIGINT UNSIGNED NOT NULL,
  window_id     INT UNSIGNED NOT NULL,
  slice         SMALLINT UNSIGNED NOT NULL,
  pages         INT UNSIGNED NOT NULL DEFAULT 0,
  search_after  TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  finished      BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (job_id, window_id, slice)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS source_indices (
  index_id  INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name      VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  UNIQUE KEY name (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- processed counts completed messages, failed those that stand as failed; total_messages is both and what
-- is still to do. All three move in the transaction that moves the rows.
CREATE TABLE IF NOT EXISTS batch_progress (
  batch_id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  job_id            BIGINT UNSIGNED NOT NULL,
  status            ENUM('pending', 'in_progress', 'completed', 'failed') NOT NULL DEFAULT 'pending',
  total_messages    INT UNSIGNED NOT NULL,
  processed         INT UNSIGNED NOT NULL DEFAULT 0,
  failed            INT UNSIGNED NOT NULL DEFAULT 0,
  -- How often the batch was claimed; part of the object's name in layout batch.
  claims            INT UNSIGNED NOT NULL DEFAULT 0,
  lease_token       CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
  lease_owner       VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  lease_expires_at  DATETIME(6) NULL,
  -- Of the batch's object in layout batch.
  object_bytes      BIGINT UNSIGNED NULL,
  object_sha256     BINARY(32) NULL,
  created_at        DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  claimed_at        DATETIME(3) NULL,
  completed_at      DATETIME(3) NULL,
  KEY claimable (status, batch_id),
  KEY job (job_id, batch_id),
  KEY completion (completed_at),
  KEY lease (lease_token)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The primary key keeps a batch's rows together: a batch is read and completed by one range of it.
CREATE TABLE IF NOT EXISTS message_tracking (
  batch_id        BIGINT UNSIGNED NOT NULL,
  message_id      VARBINARY(512) NOT NULL,
  index_id        INT UNSIGNED NOT NULL,
  status          ENUM('pending', 'in_progress', 'completed', 'failed') NOT NULL DEFAULT 'pending',
  attempts        SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  start_date      DATE NOT NULL,
  s3_path         VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  last_attempted  DATETIME(3) NULL,
  error_code      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- Of the message's own object in layout message.
  object_bytes    BIGINT UNSIGNED NULL,
  object_sha256   BINARY(32) NULL,
  PRIMARY KEY (batch_id, message_id, index_id),
  UNIQUE KEY message (message_id, index_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every failure of every attempt.
CREATE TABLE IF NOT EXISTS message_errors (
  error_id    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  message_id  VARBINARY(512) NOT NULL,
  index_id    INT UNSIGNED NOT NULL,
  job_id      BIGINT UNSIGNED NOT NULL,
  batch_id    BIGINT UNSIGNED NOT NULL,
  stage       ENUM('fetch', 'assemble', 'upload') NOT NULL,
  code        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempt     SMALLINT UNSIGNED NOT NULL,
  detail      VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  created_at  DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY message (message_id, index_id, error_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
